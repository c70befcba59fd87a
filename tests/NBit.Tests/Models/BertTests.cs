using NBit.Models;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Models;

public sealed class BertTests : DisposeScopeFixture
{
    [Test]
    public void Tensors_have_the_names_of_transformers()
    {
        using var model = new BertModel(TinyModels.Config<BertConfig>(TinyModels.BertJson) with { Layers = 1 });
        string[] modules =
        [
            "embeddings.LayerNorm",
            "encoder.layer.0.attention.self.query",
            "encoder.layer.0.attention.self.key",
            "encoder.layer.0.attention.self.value",
            "encoder.layer.0.attention.output.dense",
            "encoder.layer.0.attention.output.LayerNorm",
            "encoder.layer.0.intermediate.dense",
            "encoder.layer.0.output.dense",
            "encoder.layer.0.output.LayerNorm",
            "pooler.dense",
        ];

        Assert.That(
            model.state_dict().Keys,
            Is.EquivalentTo([
                "embeddings.word_embeddings.weight",
                "embeddings.position_embeddings.weight",
                "embeddings.token_type_embeddings.weight",
                .. modules.SelectMany(name => (string[])[$"{name}.weight", $"{name}.bias"]),
            ])
        );
    }

    [Test]
    public void Padding_changes_nothing()
    {
        using var folder = TinyModels.Folder(TinyModels.BertJson);
        using var model = BertModel.Load(folder.Path);
        using var grad = no_grad();
        var ids = TinyModels.Tokens(1, 5);
        var padded = cat([ids, TinyModels.Tokens(1, 4)], 1);
        var mask = cat([ones(1, 5, int64), zeros(1, 4, int64)], 1);

        Assert.That(
            TinyModels.AllClose(model.forward(padded, mask).narrow(1, 0, 5), model.forward(ids, null, null)),
            Is.True
        );
        Assert.That(TinyModels.AllClose(model.Embed(padded, mask), model.Embed(ids, ones_like(ids))), Is.True);
    }

    [Test]
    public void Embeddings_have_length_1_and_are_the_mean_of_the_hidden_state()
    {
        using var folder = TinyModels.Folder(TinyModels.BertJson);
        using var model = BertModel.Load(folder.Path, bfloat16);
        using var grad = no_grad();
        var ids = TinyModels.Tokens(3, 5);

        var embedding = model.Embed(ids, ones_like(ids));

        Assert.That(embedding.dtype, Is.EqualTo(float32));
        Assert.That(TinyModels.AllClose(embedding.norm(1), ones(3)), Is.True);
        var mean = model.forward(ids, null, null).to(float32).mean([1]);
        Assert.That(TinyModels.AllClose(embedding * mean.norm(1).unsqueeze(1), mean, 1e-4), Is.True);
    }

    [Test]
    public void Token_types_matter()
    {
        using var folder = TinyModels.Folder(TinyModels.BertJson);
        using var model = BertModel.Load(folder.Path);
        using var grad = no_grad();
        var ids = TinyModels.Tokens(1, 5);
        var first = model.forward(ids, null, null);

        Assert.That(TinyModels.AllClose(model.forward(ids, null, zeros_like(ids)), first, 0), Is.True);
        Assert.That(TinyModels.AllClose(model.forward(ids, null, ones_like(ids)), first, 1e-2), Is.False);
    }

    [Test]
    public void A_pooler_is_there_where_its_tensors_are([Values] bool pooler)
    {
        using var folder = TinyModels.Folder(
            TinyModels.BertJson,
            change: tensors =>
                tensors
                    .Where(entry => pooler || !entry.Key.StartsWith("pooler", StringComparison.Ordinal))
                    .Select(entry => (entry.Key, entry.Value))
        );
        using var model = BertModel.Load(folder.Path);
        var hidden = model.forward(TinyModels.Tokens(2, 3), null, null);

        Assert.That(model.Config.Pooler, Is.EqualTo(pooler));
        if (pooler)
        {
            Assert.That(model.Pool(hidden).shape, Is.EqualTo(new long[] { 2, 24 }));
        }
        else
        {
            Assert.That(
                Assert.Throws<InvalidOperationException>(() => model.Pool(hidden))!.Message,
                Does.Contain("'pooler.dense.weight'")
            );
        }
    }

    [Test]
    public void Too_many_tokens_are_refused()
    {
        using var model = new BertModel(TinyModels.Config<BertConfig>(TinyModels.BertJson));
        var ids = TinyModels.Tokens(1, 17);

        var error = Assert.Throws<ArgumentException>(() => model.forward(ids, ones_like(ids)));
        Assert.That(error!.Message, Does.Contain("17 tokens").And.Contain("16 positions"));
    }

    [Test]
    public void It_drops_while_it_trains_alone_and_leaves_no_tensors()
    {
        using var folder = TinyModels.Folder(TinyModels.BertJson);
        using var model = BertModel.Load(folder.Path);
        using var ids = TinyModels.Tokens(2, 5);
        using var mask = ones_like(ids);

        Assert.That(model.training, Is.False);
        Assert.That(TinyModels.AllClose(model.forward(ids, mask), model.forward(ids, mask), 0), Is.True);
        model.train();
        Assert.That(TinyModels.AllClose(model.forward(ids, mask), model.forward(ids, mask), 1e-3), Is.False);
        Step();
        TensorCount.AssertChangedBy(0, Step);

        void Step()
        {
            using var hidden = model.forward(ids, mask);
            using var pooled = model.Pool(hidden);
            using var loss = pooled.sum();
            loss.backward();
        }
    }
}
