using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Collections.ObjectModel;
using NBit.Tensors;
using NBit.Tests.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NBit.Tests.Tensors;

public sealed class TensorTreeTests
{
    private DisposeScope _scope = null!;

    [SetUp]
    public void BeginScope() => _scope = NewDisposeScope();

    [TearDown]
    public void EndScope() => _scope.Dispose();

    /// <summary>Containers with the tensors 0, 1, 2, ... in depth-first order.</summary>
    private static IEnumerable<TestCaseData> Structures() =>
        new (string Name, Func<object> Make, int Count)[]
        {
            ("tensor", () => T(0), 1),
            ("array", () => new[] { T(0), T(1) }, 2),
            ("jagged array", () => new[] { new[] { T(0) }, new[] { T(1), T(2) } }, 3),
            (
                "two-dimensional array",
                () =>
                    new[,]
                    {
                        { T(0), T(1), T(2) },
                        { T(3), T(4), T(5) },
                    },
                6
            ),
            ("array that begins at 1", OneBased, 2),
            ("array of objects", () => new object?[] { 3, T(0), null, "text", T(1) }, 2),
            ("list", () => new List<Tensor> { T(0), T(1) }, 2),
            (
                "nested lists",
                () =>
                    new List<List<Tensor>>
                    {
                        new() { T(0) },
                        new() { T(1), T(2) },
                    },
                3
            ),
            ("list of tuples", () => new List<(string, Tensor)> { ("a", T(0)), ("b", T(1)) }, 2),
            ("array list", () => new ArrayList { T(0), 1, T(1) }, 2),
            ("wrapping collection", () => new Collection<Tensor> { T(0), T(1) }, 2),
            ("observable collection", () => new ObservableCollection<Tensor> { T(0), T(1) }, 2),
            ("array segment", () => new ArraySegment<Tensor>([T(0), T(1)]), 2),
            ("memory", () => new Memory<Tensor>([T(0), T(1)]), 2),
            ("value tuple", () => (T(0), 7, T(1)), 2),
            ("value tuple of nine", () => (T(0), T(1), T(2), T(3), T(4), T(5), T(6), T(7), T(8)), 9),
            ("tuple", () => Tuple.Create(T(0), "text", T(1)), 2),
            ("tuple of nine", () => Tuple.Create(1, 2, 3, 4, 5, 6, 7, Tuple.Create(T(0), T(1))), 2),
            ("nested tuples", () => (T(0), (T(1), new[] { T(2) })), 3),
            ("dictionary", () => new Dictionary<int, Tensor> { [1] = T(0), [2] = T(1) }, 2),
            (
                "dictionary of lists",
                () =>
                    new Dictionary<int, object>
                    {
                        [1] = new List<Tensor> { T(0) },
                        [2] = 5,
                    },
                1
            ),
            ("sorted dictionary", () => new SortedDictionary<int, Tensor> { [1] = T(0), [2] = T(1) }, 2),
            ("sorted list", () => new SortedList<int, Tensor> { [1] = T(0), [2] = T(1) }, 2),
            ("ordered dictionary", () => new OrderedDictionary<int, Tensor> { [2] = T(0), [1] = T(1) }, 2),
            ("concurrent dictionary", () => new ConcurrentDictionary<int, Tensor>([new(1, T(0))]), 1),
            ("hashtable", () => new Hashtable { ["a"] = T(0) }, 1),
            ("derived dictionary", () => new Features { ["a"] = T(0) }, 1),
            ("key and value", () => KeyValuePair.Create("a", T(0)), 1),
            ("record", () => new Named("x", T(0), T(1)), 2),
            ("record with a null member", () => new Named("x", T(0)), 1),
            ("derived record", () => new Child(T(2), T(0)) { Extra = T(1) }, 4),
            ("record struct", () => new Pair(T(0), T(1)), 2),
            ("struct", () => new Plain { Value = T(0), Number = 4 }, 1),
            ("nullable struct", () => (Pair?)new Pair(T(0), T(1)), 2),
            ("nested records", () => new Linked(T(0)) { Next = new Linked(T(1)) }, 2),
        }.Select(structure => new TestCaseData(structure.Make, structure.Count).SetArgDisplayNames(structure.Name));

    private static IEnumerable<TestCaseData> Uncopyable() =>
        new (string Name, Func<object> Make)[]
        {
            ("read-only collection", () => new ReadOnlyCollection<Tensor>([T(0)])),
            (
                "read-only dictionary",
                () => new ReadOnlyDictionary<int, Tensor>(new Dictionary<int, Tensor> { [0] = T(0) })
            ),
            ("immutable list", () => ImmutableList.Create(T(0))),
            ("immutable array", () => ImmutableArray.Create(T(0))),
            ("immutable dictionary", () => ImmutableDictionary<int, Tensor>.Empty.Add(0, T(0))),
            ("list without a constructor", () => new Sealed(1) { T(0) }),
            (
                "dictionary whose comparer is lost",
                () => new Features("", StringComparer.OrdinalIgnoreCase) { ["a"] = T(0) }
            ),
        }.Select(structure => new TestCaseData(structure.Make).SetArgDisplayNames(structure.Name));

    private static IEnumerable<TestCaseData> WithParameters() =>
        new (string Name, Func<Parameter, object> Make)[]
        {
            ("array", parameter => new[] { parameter }),
            ("list", parameter => new List<Parameter> { parameter }),
            ("dictionary", parameter => new Dictionary<int, Parameter> { [0] = parameter }),
            ("tuple", parameter => (1, parameter)),
        }.Select(structure =>
            new TestCaseData(structure.Make(new Parameter(zeros(1)))).SetArgDisplayNames(structure.Name)
        );

    private static IEnumerable<TestCaseData> Comparers() =>
        new (string Name, IDictionary Dictionary)[]
        {
            ("dictionary", new Dictionary<string, Tensor>(StringComparer.OrdinalIgnoreCase)),
            ("sorted dictionary", new SortedDictionary<string, Tensor>(StringComparer.OrdinalIgnoreCase)),
            ("sorted list", new SortedList<string, Tensor>(StringComparer.OrdinalIgnoreCase)),
            ("ordered dictionary", new OrderedDictionary<string, Tensor>(StringComparer.OrdinalIgnoreCase)),
            ("concurrent dictionary", new ConcurrentDictionary<string, Tensor>(StringComparer.OrdinalIgnoreCase)),
            ("hashtable", new Hashtable(StringComparer.OrdinalIgnoreCase)),
        }.Select(structure => new TestCaseData(structure.Dictionary).SetArgDisplayNames(structure.Name));

    private static IEnumerable<TestCaseData> Cycles() =>
        new (string Name, Func<object> Make)[]
        {
            (
                "list",
                () =>
                {
                    var list = new List<object> { T(0) };
                    list.Add(list);
                    list.Add(list);
                    return list;
                }
            ),
            (
                "array",
                () =>
                {
                    var array = new object[1];
                    array[0] = array;
                    return array;
                }
            ),
            (
                "dictionary",
                () =>
                {
                    var dictionary = new Dictionary<int, object>();
                    dictionary[0] = dictionary;
                    return dictionary;
                }
            ),
            (
                "record",
                () =>
                {
                    var record = new Linked(T(0));
                    record.Next = record;
                    return record;
                }
            ),
        }.Select(structure => new TestCaseData(structure.Make).SetArgDisplayNames(structure.Name));

    [TestCaseSource(nameof(Structures))]
    public void Tensors_are_found_depth_first(Func<object> make, int count) =>
        Assert.That(Values(make()), Is.EquivalentTo(Enumerable.Range(0, count)));

    [TestCaseSource(nameof(Structures))]
    public void Every_tensor_is_replaced_in_a_container_of_the_same_type(Func<object> make, int count)
    {
        var value = make();
        var mapped = TensorTree.Map(value, tensor => tensor + 100);
        Assert.That(mapped, Is.TypeOf(value.GetType()));
        Assert.That(Values(mapped), Is.EqualTo(Values(value).Select(number => number + 100)), $"{count} tensors");
    }

    [TestCaseSource(nameof(Structures))]
    public void The_original_is_not_changed(Func<object> make, int count)
    {
        var value = make();
        var before = TensorTree.Tensors(value);
        TensorTree.Map(value, tensor => tensor + 100);
        Assert.That(TensorTree.Tensors(value), Is.EqualTo(before).Using<Tensor>(ReferenceEquals));
        Assert.That(Values(value), Is.EquivalentTo(Enumerable.Range(0, count)));
    }

    [TestCaseSource(nameof(Structures))]
    [TestCaseSource(nameof(Uncopyable))]
    public void What_does_not_change_comes_back_as_the_same_object(Func<object> make, int count = 1)
    {
        var value = make();
        Assert.That(TensorTree.Map(value, tensor => tensor), Is.SameAs(value), $"{count} tensors");
    }

    [Test]
    public void Only_the_way_to_a_changed_tensor_is_copied()
    {
        List<Tensor> changed = [T(0)],
            unchanged = [T(1)];
        var value = new object[] { changed, unchanged };
        var mapped = TensorTree.Map(value, tensor => Value(tensor) == 0 ? tensor + 100 : tensor);
        Assert.That(mapped[0], Is.Not.SameAs(changed));
        Assert.That(mapped[1], Is.SameAs(unchanged));
    }

    [Test]
    public void What_is_no_tensor_stays_as_it_is()
    {
        var opaque = new Opaque(T(0));
        var value = (
            1,
            2.5,
            "text",
            opaque,
            (object?)null,
            new[] { 1, 2 },
            new float[2, 2],
            DayOfWeek.Friday,
            3m,
            (Func<int>)(() => 1)
        );
        var mapped = TensorTree.Map(value, tensor => tensor + 100);
        Assert.That(mapped, Is.EqualTo(value));
        Assert.That(mapped.Item4, Is.SameAs(opaque));
        Assert.That(TensorTree.Tensors(value), Is.Empty);
    }

    [Test]
    public void A_null_value_stays_null() =>
        Assert.That(TensorTree.Map<Tensor?>(null, tensor => tensor + 100), Is.Null);

    [Test]
    public void A_null_member_stays_null() =>
        Assert.That(TensorTree.Map(new Named("x", T(0)), tensor => tensor + 100).Mask, Is.Null);

    [Test]
    public void Members_that_are_no_tensors_are_copied_with_the_rest()
    {
        Assert.That(TensorTree.Map(new Named("x", T(0)), tensor => tensor + 100).Name, Is.EqualTo("x"));
        Assert.That(
            TensorTree.Map(new Plain { Value = T(0), Number = 4 }, tensor => tensor + 100).Number,
            Is.EqualTo(4)
        );
    }

    [Test]
    public void Private_members_of_a_base_record_are_replaced_too()
    {
        var mapped = TensorTree.Map(new Child(T(5), T(0)), tensor => tensor + 100);
        Assert.That(Value(mapped.Hidden()), Is.EqualTo(106));
    }

    [TestCaseSource(nameof(Comparers))]
    public void A_dictionary_keeps_its_comparer(IDictionary dictionary)
    {
        dictionary.Add("Key", T(0));
        var mapped = TensorTree.Map(dictionary, tensor => tensor + 100);
        Assert.That(Value((Tensor)mapped["KEY"]!), Is.EqualTo(100));
        Assert.That(Value((Tensor)dictionary["KEY"]!), Is.Zero);
    }

    [TestCaseSource(nameof(Uncopyable))]
    public void A_container_that_cannot_be_copied_is_refused_by_name(Func<object> make)
    {
        var value = make();
        TensorCount.AssertChangedBy(
            0,
            () =>
            {
                var error = Assert.Throws<NotSupportedException>(() => TensorTree.Map(value, tensor => tensor + 100));
                Assert.That(
                    error!.Message,
                    Does.StartWith($"{value.GetType()} holds tensors that must be converted, but cannot be copied")
                );
            }
        );
        Assert.That(Values(value), Is.EqualTo(new[] { 0 }));
    }

    [TestCaseSource(nameof(WithParameters))]
    public void A_place_for_a_parameter_alone_is_refused_by_name(object value)
    {
        using var parameter = TensorTree.Tensors(value).Single();
        TensorCount.AssertChangedBy(
            0,
            () =>
                Assert.That(
                    () => TensorTree.Map(value, tensor => tensor + 100),
                    Throws
                        .InstanceOf<NotSupportedException>()
                        .With.Message.Contains(
                            "holds a Parameter that must be converted, and cannot hold the Tensor that comes of it: declare it as "
                                + "a Tensor."
                        )
                )
        );
        Assert.That(TensorTree.Map(value, tensor => tensor), Is.SameAs(value));
    }

    [TestCaseSource(nameof(Cycles))]
    public void A_container_that_holds_itself_is_refused(Func<object> make)
    {
        var value = make();
        TensorCount.AssertChangedBy(
            0,
            () =>
                Assert.That(
                    () => TensorTree.Map(value, tensor => tensor + 100),
                    Throws.ArgumentException.With.Message.Contains("or holds itself")
                )
        );
        Assert.That(() => TensorTree.Tensors(value), Throws.ArgumentException);
    }

    [Test]
    public void Deep_nesting_that_ends_is_mapped()
    {
        object value = T(0);
        for (var level = 0; level < 200; level++)
        {
            value = new List<object> { value };
        }

        Assert.That(Values(TensorTree.Map(value, tensor => tensor + 100)), Is.EqualTo(new[] { 100 }));
    }

    [Test]
    public void A_function_that_throws_leaves_no_tensor_behind()
    {
        var value = new[] { T(0), T(1) };
        TensorCount.AssertChangedBy(
            0,
            () =>
                Assert.That(
                    () =>
                        TensorTree.Map(
                            value,
                            tensor => Value(tensor) == 0 ? tensor + 100 : throw new TimeoutException()
                        ),
                    Throws.InstanceOf<TimeoutException>()
                )
        );
    }

    private static Tensor T(int value) => tensor(value);

    private static int Value(Tensor tensor) => tensor.item<int>();

    private static List<int> Values(object value) => TensorTree.Tensors(value).ConvertAll(Value);

    private static Array OneBased()
    {
        var array = Array.CreateInstance(typeof(Tensor), [2], [1]);
        array.SetValue(T(0), 1);
        array.SetValue(T(1), 2);
        return array;
    }
}
