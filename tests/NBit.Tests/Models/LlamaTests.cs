using NBit.Models;
using NBit.Tests.Training;
using static TorchSharp.torch;

namespace NBit.Tests.Models;

public sealed class LlamaTests : DisposeScopeFixture
{
    private const string Biases = """  "attention_bias": true, "mlp_bias": true,  """;
    private const string Tied = """  "tie_word_embeddings": true,  """;

    [Test]
    public void Tensors_have_the_names_of_transformers()
    {
        using var model = new LlamaForCausalLM(TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson));
        string[] layer =
        [
            "self_attn.q_proj.weight",
            "self_attn.k_proj.weight",
            "self_attn.v_proj.weight",
            "self_attn.o_proj.weight",
            "mlp.gate_proj.weight",
            "mlp.up_proj.weight",
            "mlp.down_proj.weight",
            "input_layernorm.weight",
            "post_attention_layernorm.weight",
        ];

        Assert.That(
            model.state_dict().Keys,
            Is.EquivalentTo([
                "model.embed_tokens.weight",
                "model.norm.weight",
                "lm_head.weight",
                .. Enumerable.Range(0, 2).SelectMany(i => layer.Select(name => $"model.layers.{i}.{name}")),
            ])
        );
    }

    [Test]
    public void A_tied_model_has_no_head_of_its_own_and_biases_are_where_they_are_asked_for()
    {
        using var model = new LlamaForCausalLM(TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson, Tied + Biases));
        var names = model.state_dict().Keys;

        Assert.That(names, Has.None.StartsWith("lm_head"));
        Assert.That(names.Count(name => name.EndsWith(".bias", StringComparison.Ordinal)), Is.EqualTo(2 * 7));
    }

    [Test]
    public void A_cache_gives_what_the_whole_text_gives(
        [Values("", Biases, Tied)] string fields,
        [Values(1, 3)] int batch
    )
    {
        using var folder = TinyModels.Folder(TinyModels.LlamaJson, fields);
        using var model = LlamaForCausalLM.Load(folder.Path);
        using var grad = no_grad();
        var ids = TinyModels.Tokens(batch, 150); // beyond the cache's first capacity
        using var cache = new KeyValueCache(model.Config);

        var whole = model.forward(ids);
        var parts = ids.split([70, 1, 1, 78], 1).Select(part => model.forward(part, cache)).ToArray();

        Assert.That(whole.shape, Is.EqualTo(new long[] { batch, 150, 40 }));
        Assert.That(cache.Length, Is.EqualTo(150));
        Assert.That(TinyModels.AllClose(cat(parts, 1), whole, 1e-4), Is.True);
    }

    [Test]
    public void A_truncated_cache_continues_from_there()
    {
        using var folder = TinyModels.Folder(TinyModels.LlamaJson);
        using var model = LlamaForCausalLM.Load(folder.Path);
        using var grad = no_grad();
        using var cache = new KeyValueCache(model.Config);
        var ids = TinyModels.Tokens(1, 10);
        model.forward(ids, cache);

        cache.Truncate(4);
        var again = model.forward(ids.narrow(1, 4, 6), cache);

        Assert.That(TinyModels.AllClose(again, model.forward(ids).narrow(1, 4, 6), 1e-4), Is.True);
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Truncate(11));
    }

    [Test]
    public void A_cache_refuses_another_number_of_texts()
    {
        using var model = new LlamaForCausalLM(TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson));
        using var cache = new KeyValueCache(model.Config);
        model.forward(TinyModels.Tokens(2, 3), cache);

        var error = Assert.Throws<ArgumentException>(() => model.forward(TinyModels.Tokens(1, 3), cache));
        Assert.That(error!.Message, Does.Contain("holds 2 texts; 1 were given"));
        Assert.That(cache.Length, Is.EqualTo(3));
    }

    [Test]
    public void A_later_token_changes_nothing_before_it()
    {
        using var model = new LlamaForCausalLM(TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson));
        using var grad = no_grad();
        var ids = TinyModels.Tokens(1, 6);
        var other = ids.clone();
        other[0, 5] = (other[0, 5] + 1) % 40;

        var (left, right) = (model.forward(ids), model.forward(other));

        Assert.That(TinyModels.AllClose(left.narrow(1, 0, 5), right.narrow(1, 0, 5), 1e-6), Is.True);
        Assert.That(TinyModels.AllClose(left.narrow(1, 5, 1), right.narrow(1, 5, 1), 1e-3), Is.False);
    }

    [Test]
    public void Greedy_tokens_are_the_likeliest_of_the_whole_text()
    {
        using var folder = TinyModels.Folder(TinyModels.LlamaJson);
        using var model = LlamaForCausalLM.Load(folder.Path);
        List<long> text = [3, 1, 4];

        var generated = model.Generate(text, 12).ToArray();

        using var grad = no_grad();
        foreach (var token in generated)
        {
            var logits = model.forward(tensor(text.ToArray(), [1, text.Count]));
            Assert.That(logits[0, -1].argmax().item<long>(), Is.EqualTo(token));
            text.Add(token);
        }

        Assert.That(text, Has.Count.EqualTo(15));
    }

    [Test]
    public void Generation_ends_with_an_end_token()
    {
        using var folder = TinyModels.Folder(TinyModels.LlamaJson);
        using var model = LlamaForCausalLM.Load(folder.Path);
        var free = model.Generate([3, 1, 4], 12).ToArray();
        var end = free[4];
        TinyModels.WriteConfig(folder, TinyModels.LlamaJson, $"\"eos_token_id\": [39, {end}],");
        using var ending = LlamaForCausalLM.Load(folder.Path);

        Assert.That(ending.Generate([3, 1, 4], 12), Is.EqualTo(free[..(Array.IndexOf(free, end) + 1)]));
    }

    [Test]
    public void Draws_repeat_by_their_seed()
    {
        using var folder = TinyModels.Folder(TinyModels.LlamaJson);
        using var model = LlamaForCausalLM.Load(folder.Path);
        long[] Draw(int seed) => [.. model.Generate([1], 30, temperature: 2, topK: 30, topP: 0.95, seed: seed)];

        var first = Draw(5);
        Assert.That(Draw(5), Is.EqualTo(first));
        Assert.That(Draw(6), Is.Not.EqualTo(first));
    }

    [Test]
    public void Generating_leaves_the_caller_s_gradients_on_and_no_tensors()
    {
        using var model = new LlamaForCausalLM(TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson));
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                foreach (var _ in model.Generate([1, 2], 5))
                {
                    Assert.That(is_grad_enabled(), Is.True);
                }

                _ = model.Generate([1, 2], 5).First(); // an enumeration that is left early
            }
        );
    }

    [TestCase(new long[0], 1, "the prompt is empty")]
    [TestCase(new long[] { 1, 40 }, 1, "token 40; the model has tokens 0 to 39")]
    [TestCase(new long[] { -1 }, 1, "token -1")]
    [TestCase(new long[] { 1 }, 200, "the model's 200 positions")]
    public void A_prompt_that_does_not_fit_is_refused_before_the_first_token(long[] prompt, int count, string expected)
    {
        using var model = new LlamaForCausalLM(TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson));

        var error = Assert.Throws<ArgumentException>(() => model.Generate(prompt, count));
        Assert.That(error!.Message, Does.Contain(expected));
    }

    [Test]
    public void It_trains_and_leaves_no_tensors([Values("", Biases, Tied)] string fields)
    {
        using var model = new LlamaForCausalLM(TinyModels.Config<LlamaConfig>(TinyModels.LlamaJson, fields));
        using var ids = TinyModels.Tokens(2, 8);
        Step();
        TensorCount.AssertChangedBy(0, Step);
        Assert.That(
            model.named_parameters().Where(entry => entry.parameter.grad is null).Select(entry => entry.name),
            Is.Empty
        );

        void Step()
        {
            using var logits = model.forward(ids);
            using var flat = logits.flatten(0, 1);
            using var targets = ids.flatten();
            using var loss = nn.functional.cross_entropy(flat, targets);
            loss.backward();
        }
    }
}
