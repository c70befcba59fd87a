namespace NBit.Training.Data;

/// <summary>
/// A data source that can start at any batch of any epoch, so that a resumed run sees exactly the batches that an
/// uninterrupted one would have seen. The trainer calls <see cref="Seek" /> before each enumeration.
/// </summary>
public interface IRepositionable
{
    /// <summary>Makes the next enumeration begin at a batch of an epoch.</summary>
    /// <param name="epoch">The epoch, from 0: decides the order.</param>
    /// <param name="batch">The first batch to give, from 0.</param>
    void Seek(int epoch, int batch);
}
