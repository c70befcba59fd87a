using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using NBit.Models;
using static TorchSharp.torch;

namespace NBit.Cli.Commands;

/// <summary><c>nbit generate</c>: continues a text, or tokens, with a Llama.</summary>
internal static class GenerateCommand
{
    public static Command Create()
    {
        var model = ModelOptions.Model();
        var dtype = ModelOptions.Dtype();
        var tokens = new Option<long[]>("--tokens")
        {
            Description = "The prompt as tokens, 1,15,7 for one; new tokens are printed as numbers",
            CustomParser = ParseTokens,
        };
        var prompt = new Option<string>("--prompt") { Description = "The prompt as text; new text is printed" };
        var count = new Option<int>("--max-new-tokens")
        {
            Description = "The largest number of new tokens",
            DefaultValueFactory = _ => 128,
        };
        var temperature = new Option<double>("--temperature")
        {
            Description = "0 takes the likeliest token; above, one is drawn",
        };
        var topK = new Option<int>("--top-k") { Description = "Draw from that many likeliest tokens; 0 for all" };
        var topP = new Option<double>("--top-p")
        {
            Description = "Draw from the fewest tokens whose probabilities sum to this",
            DefaultValueFactory = _ => 1,
        };
        var seed = new Option<int?>("--seed") { Description = "Makes draws repeatable" };
        var command = new Command("generate", "Continue a text with a Llama, token by token")
        {
            model,
            dtype,
            tokens,
            prompt,
            count,
            temperature,
            topK,
            topP,
            seed,
        };
        command.Validators.Add(result =>
        {
            if ((result.GetResult(tokens) is null) == (result.GetResult(prompt) is null))
            {
                result.AddError("give the prompt once: --tokens or --prompt");
            }
        });
        command.SetAction(parsed =>
            Run(
                parsed.GetValue(model)!,
                ModelOptions.Parse(parsed.GetValue(dtype)),
                parsed.GetValue(tokens),
                parsed.GetValue(prompt),
                (llama, ids) =>
                    llama.Generate(
                        ids,
                        parsed.GetValue(count),
                        parsed.GetValue(temperature),
                        parsed.GetValue(topK),
                        parsed.GetValue(topP),
                        parsed.GetValue(seed)
                    )
            )
        );
        return command;
    }

    private static void Run(
        string model,
        ScalarType? dtype,
        long[]? tokens,
        string? prompt,
        Func<LlamaForCausalLM, IReadOnlyList<long>, IEnumerable<long>> generate
    )
    {
        Libtorch.Require();
        var tokenizer = prompt is null ? null : TextTokenizer.Load(model); // before the large files
        using var llama = LlamaForCausalLM.Load(model, dtype);
        if (tokenizer is null)
        {
            Write(generate(llama, tokens!).Select((token, number) => number == 0 ? $"{token}" : $" {token}"));
            return;
        }

        var ids = tokenizer.Encode(prompt!);
        Write(tokenizer.DecodeStream(ids, generate(llama, ids)));
    }

    private static void Write(IEnumerable<string> pieces)
    {
        foreach (var piece in pieces)
        {
            Console.Write(piece);
        }

        Console.WriteLine();
    }

    private static long[]? ParseTokens(ArgumentResult result)
    {
        var numbers = new List<long>();
        foreach (
            var text in result.Tokens.SelectMany(token =>
                token.Value.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries)
            )
        )
        {
            if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                result.AddError($"--tokens has '{text}'; allowed are numbers from 0 on, separated by commas or spaces");
                return null;
            }

            numbers.Add(number);
        }

        return [.. numbers];
    }
}
