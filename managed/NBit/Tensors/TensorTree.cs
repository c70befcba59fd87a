using System.Collections;
using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace NBit.Tensors;

/// <summary>
/// Applies a function to all tensors in nested containers: tuples, arrays, lists, dictionaries, records and structs. Everything
/// else is passed through. What holds no changed tensor is returned as it is; what does is copied, never changed.
/// </summary>
internal static class TensorTree
{
    private static readonly ConcurrentDictionary<Type, FieldInfo[]?> FieldsOfType = new();
    private static readonly MethodInfo MemberwiseCloneMethod =
        typeof(object).GetMethod(nameof(MemberwiseClone), BindingFlags.Instance | BindingFlags.NonPublic)!;

    /// <summary>The value with each tensor replaced by what the function gives for it.</summary>
    public static T Map<T>(T value, Func<Tensor, Tensor> function) => (T)MapObject(value, function)!;

    /// <summary>The tensors in a value, depth first.</summary>
    public static List<Tensor> Tensors<T>(T value)
    {
        var tensors = new List<Tensor>();
        MapObject(value, tensor =>
        {
            tensors.Add(tensor);
            return tensor;
        });
        return tensors;
    }

    private static object? MapObject(object? value, Func<Tensor, Tensor> function) => value switch
    {
        null or string => value,
        Tensor tensor => function(tensor),
        Array { Rank: 1 } array => MapElements(array, array.GetType().GetElementType()!, () => (IList)array.Clone(), function),
        IDictionary dictionary => MapDictionary(dictionary, function),
        IList list => MapElements(list, typeof(object), () => (IList)Clone(list), function),
        _ => MapFields(value, function),
    };

    private static object MapElements(IList list, Type elementType, Func<IList> copy, Func<Tensor, Tensor> function)
    {
        if (elementType.IsPrimitive || elementType.IsEnum)
        {
            return list;
        }

        IList? result = null;
        for (var i = 0; i < list.Count; i++)
        {
            var element = list[i];
            var mapped = MapObject(element, function);
            if (!ReferenceEquals(element, mapped))
            {
                result ??= copy();
                result[i] = mapped;
            }
        }

        return result ?? list;
    }

    private static object MapDictionary(IDictionary dictionary, Func<Tensor, Tensor> function)
    {
        IDictionary? result = null;
        foreach (DictionaryEntry entry in dictionary)
        {
            var mapped = MapObject(entry.Value, function);
            if (!ReferenceEquals(entry.Value, mapped))
            {
                result ??= (IDictionary)Clone(dictionary);
                result[entry.Key] = mapped;
            }
        }

        return result ?? dictionary;
    }

    // Tuples, records and structs: a shallow copy with the changed fields replaced, init-only ones included.
    private static object MapFields(object value, Func<Tensor, Tensor> function)
    {
        var fields = FieldsOfType.GetOrAdd(value.GetType(), FieldsThatMayHoldTensors);
        object? result = null;
        foreach (var field in fields ?? [])
        {
            var element = field.GetValue(value);
            var mapped = MapObject(element, function);
            if (!ReferenceEquals(element, mapped))
            {
                result ??= MemberwiseCloneMethod.Invoke(value, null)!;
                field.SetValue(result, mapped);
            }
        }

        return result ?? value;
    }

    private static FieldInfo[]? FieldsThatMayHoldTensors(Type type)
    {
        var isRecord = type.GetMethod("<Clone>$") is not null;
        if (!isRecord && !(type.IsValueType && !type.IsPrimitive && !type.IsEnum) && !typeof(ITuple).IsAssignableFrom(type))
        {
            return null;
        }

        var fields = new List<FieldInfo>();
        for (var level = type; level is not null && level != typeof(object); level = level.BaseType)
        {
            fields.AddRange(level.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
                .Where(field => !field.FieldType.IsPrimitive && !field.FieldType.IsEnum && field.FieldType != typeof(string)));
        }

        return [.. fields];
    }

    // A container of the same type with the same elements, and the same comparer where it has one.
    private static object Clone(object container)
    {
        var type = container.GetType();
        var comparer = type.GetProperty("Comparer")?.GetValue(container);
        object[] arguments = comparer is null ? [container] : [container, comparer];
        var constructor = type.GetConstructors().FirstOrDefault(candidate =>
            candidate.GetParameters() is var parameters && parameters.Length == arguments.Length
            && parameters.Zip(arguments).All(pair => pair.First.ParameterType != typeof(object) && pair.First.ParameterType.IsInstanceOfType(pair.Second)));
        return constructor?.Invoke(arguments) ?? throw new NotSupportedException(
            $"{type} holds tensors that must be converted, but cannot be copied: it has no public constructor that takes its elements. Use "
            + "an array, List, Dictionary, tuple or record.");
    }
}
