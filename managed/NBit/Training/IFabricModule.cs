namespace NBit.Training;

/// <summary>A model that <see cref="Fabric" /> set up, whatever its types.</summary>
internal interface IFabricModule;
