#include "cuda/transformer_engine.h"
#include "base/data_type.h"
#include "cuda/search.h"

namespace nbit::cuda
{
namespace
{

constexpr Wanted wanted_engine{"Transformer Engine",
                               "NBIT_TRANSFORMER_ENGINE_LIBRARY",
                               "libtransformer_engine.so",
                               "",
                               {"", "transformer_engine", "transformer_engine/wheel_lib"},
                               {}};
// NEEDED by it, and without a path to look in: of the runtime's version, and of versions of their own
constexpr const char* needed_by_version[] = {"libcublasLt.so", "libcublas.so"};
constexpr const char* needed_files[] = {"libcudnn.so.9", "libnccl.so.2"};
constexpr Version oldest{2, 4}, next_major{3, 0};

} // namespace

TransformerEngine::TransformerEngine(const Runtime& runtime, const String& path_in_code)
{
    String log;
    const String chosen = chosen_path(wanted_engine, path_in_code);
    const Vector<String> paths = chosen.empty() ? candidates(wanted_engine) : Vector<String>{chosen};
    if (!paths.empty()) {
        // Its kernels that are compiled when they run take nvrtc's functions from the process: it does not name the
        // library that has them.
        nvrtc_ = open_companion(runtime, text("libnvrtc.so.%d", runtime.version().major), log);
        if (!nvrtc_)
            throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                        "Transformer Engine needs libnvrtc.so.%d, which was not found beside the CUDA runtime (%s), in "
                        "the active Python environments or by the system's loader; install it (pip install "
                        "nvidia-cuda-nvrtc). Tried:%s",
                        runtime.version().major, runtime.library().path().c_str(), log.c_str());
        String ignored; // the loader finds the system's by itself
        for (const char* file : needed_by_version)
            open_companion(runtime, text("%s.%d", file, runtime.version().major), ignored);
        for (const char* file : needed_files)
            open_companion(runtime, file, ignored);
    }
    for (size_t i = 0; i < paths.size() && !library_; ++i)
        library_ = Library::open(paths[i], platform::Symbols::for_everyone, log);
    if (!library_)
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                    "Transformer Engine was not found. Install it (pip install transformer_engine[core_cu%d]) in a "
                    "Python environment that is active, or set %s to the path of libtransformer_engine.so. "
                    "Searched: %s%s%s",
                    runtime.version().major, wanted_engine.variable,
                    chosen.empty() ? places(wanted_engine).c_str() : chosen.c_str(),
                    log.empty() ? "" : ". Tried:", log.c_str());
    const std::optional<Version> version =
        packaged_version(library_.path(), {"transformer_engine_cu12", "transformer_engine_cu13", "transformer_engine"});
    check_version(version);
    SymbolSearch search(wanted_engine.title, library_);
    for_each_function(search);
    const String number =
        version ? text("version %d.%d", version->major, version->minor)
                : text("version %s by its functions", set_tensor_param_v2.is_there() ? "2.12 or later" : "2.4 to 2.11");
    summary_ = text("%s, %s, %s, with %s", library_.path().c_str(), number.c_str(), search.summary().c_str(),
                    nvrtc_.path().c_str());
}

// Layouts and numbers of types changed with 2.4, which is also when nvte_make_shape came.
void TransformerEngine::check_version(const std::optional<Version>& version)
{
    if (version && (version->is_before(oldest) || !version->is_before(next_major))) {
        library_.close();
        throw Error(
            NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
            "%s is of Transformer Engine %d.%d; NBit knows the functions of 2.4 to 2.x%s. Install such a version",
            library_.path().c_str(), version->major, version->minor,
            version->is_before(oldest) ? ", before which NVTEShape was another type" : "");
    }
    if (library_.has("nvte_make_shape") && library_.has("nvte_create_tensor")) return;
    const bool is_engine = library_.has("nvte_create_tensor");
    library_.close();
    throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND,
                is_engine ? "%s is of a Transformer Engine before 2.4, as it has no nvte_make_shape: its NVTEShape is "
                            "another type. Install version 2.4 or later"
                          : "%s is no Transformer Engine of version 2.4 or later: it has no nvte_create_tensor",
                library_.path().c_str());
}

namespace te
{

Type type_of(int32_t data_type)
{
    switch (data_type) {
    case NBIT_DATA_TYPE_UINT8:
        return Type::byte;
    case NBIT_DATA_TYPE_INT32:
        return Type::int32;
    case NBIT_DATA_TYPE_INT64:
        return Type::int64;
    case NBIT_DATA_TYPE_FLOAT32:
        return Type::float32;
    case NBIT_DATA_TYPE_FLOAT16:
        return Type::float16;
    case NBIT_DATA_TYPE_BFLOAT16:
        return Type::bfloat16;
    case NBIT_DATA_TYPE_FLOAT8_E4M3FN:
        return Type::float8_e4m3;
    case NBIT_DATA_TYPE_FLOAT8_E5M2:
        return Type::float8_e5m2;
    case NBIT_DATA_TYPE_FLOAT8_E8M0FNU:
        return Type::float8_e8m0;
    case NBIT_DATA_TYPE_FLOAT4_E2M1FN_X2:
        return Type::float4_e2m1;
    default:
        throw Error(NBIT_STATUS_NOT_SUPPORTED_BY_BACKEND, "Transformer Engine has no type %d (%s)", data_type,
                    data_type_name(data_type));
    }
}

Tensor::Tensor(const TransformerEngine& engine, ScalingMode mode) : engine_(engine), handle_(engine.create_tensor(mode))
{
}

void Tensor::set(TensorParameter parameter, const void* data, Type type, const Shape& shape)
{
    const BasicTensor basic{const_cast<void*>(data), type, shape};
    if (engine_.set_tensor_param_v2.is_there())
        engine_.set_tensor_param_v2(handle_, parameter, &basic, sizeof(basic));
    else
        engine_.set_tensor_param(&handle_, parameter, &basic);
}

void Tensor::set_with_swizzled_scales()
{
    constexpr uint8_t yes = 1;
    set_if_known(
        [&] { engine_.set_tensor_param_v2(handle_, TensorParameter::with_swizzled_scales, &yes, sizeof(yes)); });
}

void Tensor::set(TensorParameter parameter, const void* data, Type type, std::initializer_list<int64_t> extents)
{
    size_t sizes[Shape::most_dimensions], dimensions = 0;
    for (const int64_t extent : extents) {
        if (extent < 0 || dimensions == Shape::most_dimensions)
            throw Error(NBIT_STATUS_INVALID_ARGUMENT,
                        "dimension %zu of a tensor has %lld elements; a tensor may have %zu dimensions, of 0 or more "
                        "elements",
                        dimensions, static_cast<long long>(extent), Shape::most_dimensions);
        sizes[dimensions++] = static_cast<size_t>(extent);
    }
    set(parameter, data, type, engine_.make_shape(sizes, dimensions));
}

void transpose(const TransformerEngine& engine, Type type, const void* source, int64_t rows, int64_t columns,
               void* target, Stream stream)
{
    Tensor from(engine), to(engine);
    from.set(TensorParameter::rowwise_data, source, type, {rows, columns});
    to.set(TensorParameter::rowwise_data, target, type, {columns, rows});
    engine.transpose(from.handle(), to.handle(), stream);
}

int64_t byte_count(Type type, const Shape& shape)
{
    int64_t bytes = type_size(type);
    for (size_t i = 0; i < shape.dimensions && i < Shape::most_dimensions; ++i)
        if (__builtin_mul_overflow(bytes, shape.extents[i], &bytes))
            throw Error(NBIT_STATUS_INTERNAL_ERROR, "Transformer Engine asks for a workspace of more than 2^63 bytes");
    return shape.dimensions == 0 ? 0 : bytes;
}

} // namespace te

} // namespace nbit::cuda
