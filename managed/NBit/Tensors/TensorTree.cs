using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace NBit.Tensors;

/// <summary>
/// Applies a function to all tensors in nested containers: tuples, arrays, lists, dictionaries, records and structs.
/// Everything else is passed through. What holds no changed tensor is returned as it is; what does is copied, never
/// changed.
/// </summary>
internal static class TensorTree
{
    // Nothing that a person writes is deeper; what holds itself is.
    private const int MaximumDepth = 256;

    private static readonly ConcurrentDictionary<Type, FieldInfo[]?> FieldsOfType = new();
    private static readonly MethodInfo MemberwiseCloneMethod = typeof(object).GetMethod(
        nameof(MemberwiseClone),
        BindingFlags.Instance | BindingFlags.NonPublic
    )!;

    /// <summary>The value with each tensor replaced by what the function gives for it.</summary>
    /// <exception cref="NotSupportedException">
    /// A container holds a tensor that changes, but cannot be copied.
    /// </exception>
    /// <exception cref="ArgumentException">The containers hold themselves, or are nested too deeply.</exception>
    /// <remarks>Where it throws, the tensors that the function made are disposed.</remarks>
    public static T Map<T>(T value, Func<Tensor, Tensor> function)
    {
        var made = new List<Tensor>();
        try
        {
            return (T)Fitting(MapObject(value, Note, depth: 0), typeof(T), value)!;
        }
        catch
        {
            made.ForEach(tensor => tensor.Dispose());
            throw;
        }

        Tensor Note(Tensor tensor)
        {
            var mapped = function(tensor);
            if (!ReferenceEquals(mapped, tensor))
            {
                made.Add(mapped);
            }

            return mapped;
        }
    }

    /// <summary>The tensors in a value, depth first.</summary>
    /// <exception cref="ArgumentException">The containers hold themselves, or are nested too deeply.</exception>
    public static List<Tensor> Tensors<T>(T value)
    {
        var tensors = new List<Tensor>();
        MapObject(
            value,
            tensor =>
            {
                tensors.Add(tensor);
                return tensor;
            },
            depth: 0
        );
        return tensors;
    }

    private static object? MapObject(object? value, Func<Tensor, Tensor> function, int depth) =>
        value switch
        {
            null or string => value,
            Tensor tensor => function(tensor),
            _ when depth > MaximumDepth => throw new ArgumentException(
                $"{value.GetType()} is nested more than {MaximumDepth} levels deep, or holds itself: tensors are looked "
                    + "for in it without end. Break the cycle, or hold it in a class that is no container and no record."
            ),
            Array array => MapArray(array, element => MapObject(element, function, depth + 1)),
            IDictionary dictionary => MapDictionary(dictionary, element => MapObject(element, function, depth + 1)),
            IList list => MapList(list, element => MapObject(element, function, depth + 1)),
            _ => MapFields(value, element => MapObject(element, function, depth + 1)),
        };

    private static Array MapArray(Array array, Func<object?, object?> map)
    {
        var elementType = array.GetType().GetElementType()!;
        if (elementType.IsPrimitive || elementType.IsEnum)
        {
            return array;
        }

        Array? result = null;
        foreach (var position in Positions(array))
        {
            var element = array.GetValue(position);
            var mapped = map(element);
            if (!ReferenceEquals(element, mapped))
            {
                result ??= (Array)array.Clone();
                result.SetValue(Fitting(mapped, elementType, array), position);
            }
        }

        return result ?? array;
    }

    // All index tuples of an array of any rank, in the order of its memory; one object, changed in place.
    private static IEnumerable<int[]> Positions(Array array)
    {
        var position = new int[array.Rank];
        for (var dimension = 0; dimension < position.Length; dimension++)
        {
            position[dimension] = array.GetLowerBound(dimension);
        }

        for (var remaining = array.LongLength; remaining > 0; remaining--)
        {
            yield return position;
            for (var dimension = position.Length - 1; dimension >= 0; dimension--)
            {
                if (++position[dimension] <= array.GetUpperBound(dimension))
                {
                    break;
                }

                position[dimension] = array.GetLowerBound(dimension);
            }
        }
    }

    private static IList MapList(IList list, Func<object?, object?> map)
    {
        var elements = list.Cast<object?>().ToList();
        var mapped = elements.ConvertAll(map.Invoke);
        if (elements.Zip(mapped).All(pair => ReferenceEquals(pair.First, pair.Second)))
        {
            return list;
        }

        var result = (IList)NewOfSameType(list);
        mapped.ForEach(element => result.Add(Fitting(element, TypeArgument(list, 0), list)));
        return result;
    }

    private static IDictionary MapDictionary(IDictionary dictionary, Func<object?, object?> map)
    {
        var entries = new List<(object Key, object? Value)>();
        var changed = false;
        foreach (DictionaryEntry entry in dictionary)
        {
            var mapped = map(entry.Value);
            changed |= !ReferenceEquals(entry.Value, mapped);
            entries.Add((entry.Key, mapped));
        }

        if (!changed)
        {
            return dictionary;
        }

        var result = (IDictionary)NewOfSameType(dictionary);
        entries.ForEach(entry => result.Add(entry.Key, Fitting(entry.Value, TypeArgument(dictionary, 1), dictionary)));
        return result;
    }

    // Tuples, records and structs: a shallow copy with the changed fields replaced, init-only ones included.
    private static object MapFields(object value, Func<object?, object?> map)
    {
        var fields = FieldsOfType.GetOrAdd(value.GetType(), FieldsThatMayHoldTensors);
        object? result = null;
        foreach (var field in fields ?? [])
        {
            var element = field.GetValue(value);
            var mapped = map(element);
            if (!ReferenceEquals(element, mapped))
            {
                result ??= MemberwiseCloneMethod.Invoke(value, null)!;
                field.SetValue(result, Fitting(mapped, field.FieldType, value));
            }
        }

        return result ?? value;
    }

    private static FieldInfo[]? FieldsThatMayHoldTensors(Type type)
    {
        var isRecord = type.GetMethod("<Clone>$") is not null;
        if (
            !isRecord
            && !(type.IsValueType && !type.IsPrimitive && !type.IsEnum)
            && !typeof(ITuple).IsAssignableFrom(type)
        )
        {
            return null;
        }

        var fields = new List<FieldInfo>();
        for (var level = type; level is not null && level != typeof(object); level = level.BaseType)
        {
            fields.AddRange(
                level
                    .GetFields(
                        BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly
                    )
                    .Where(field =>
                        !field.FieldType.IsPrimitive && !field.FieldType.IsEnum && field.FieldType != typeof(string)
                    )
            );
        }

        return [.. fields];
    }

    // Where a Parameter was, there may be no place for the tensor that comes of it.
    private static object? Fitting(object? mapped, Type place, object? container) =>
        mapped is null || place.IsInstanceOfType(mapped)
            ? mapped
            : throw new NotSupportedException(
                $"{container?.GetType()} holds a {place.Name} that must be converted, and cannot hold the "
                    + $"{mapped.GetType().Name} that comes of it: declare it as a Tensor."
            );

    // What a generic container holds; a container that derives from one may have other arguments, or none.
    private static Type TypeArgument(object container, int index) =>
        container.GetType().GenericTypeArguments is var arguments && arguments.Length > index
            ? arguments[index]
            : typeof(object);

    // An empty container, with the same comparer where it has one. It is filled element by element: a constructor that
    // takes the elements may be one that wraps them (Collection<T>), and what is set in the copy would be set in the
    // original.
    private static object NewOfSameType(object container)
    {
        var type = container.GetType();
        var comparer = Comparer(container);
        var made =
            type.GetConstructors().FirstOrDefault(constructor => Takes(constructor, comparer))?.Invoke([comparer])
            ?? type.GetConstructor(Type.EmptyTypes)?.Invoke(null);
        return made is not null && Equals(Comparer(made), comparer)
            ? made
            : throw new NotSupportedException(
                $"{type} holds tensors that must be converted, but cannot be copied: it has no public constructor that "
                    + $"takes {(comparer is null ? "nothing" : "its comparer")}. Use an array, List, Dictionary, tuple or record."
            );
    }

    private static object? Comparer(object container) =>
        container is Hashtable table
            ? HashtableComparer(table)
            : container.GetType().GetProperty("Comparer")?.GetValue(container);

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_EqualityComparer")]
    private static extern IEqualityComparer? HashtableComparer(Hashtable table);

    private static bool Takes(ConstructorInfo constructor, object? argument) =>
        constructor.GetParameters() is [{ ParameterType: var type }]
        && type != typeof(object)
        && type.IsInstanceOfType(argument);
}
