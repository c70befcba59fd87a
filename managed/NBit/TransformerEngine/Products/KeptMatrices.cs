namespace NBit.TransformerEngine;

/// <summary>What a graph keeps for its backward pass in 8 bits, until it is gone.</summary>
internal sealed class KeptMatrices : IDisposable
{
    private readonly List<ScaledMatrix> _matrices = [];

    /// <summary>Keeps a matrix.</summary>
    public ScaledMatrix Add(ScaledMatrix matrix)
    {
        _matrices.Add(matrix.Keep());
        return matrix;
    }

    public void Dispose()
    {
        _matrices.ForEach(matrix => matrix.Unkeep());
        _matrices.Clear();
    }
}
