namespace NBit.TransformerEngine;

/// <summary>The scales of a module at one time.</summary>
/// <param name="Forward">Those of input, weight and output, for one product of the module after the other.</param>
/// <param name="Backward">Those of the gradients of output and input, for one product after the other.</param>
public sealed record Float8Scales(Float8DirectionScales Forward, Float8DirectionScales Backward);
