#include "safetensors.h"
#include "nbit/nbit.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace nbit::gpu
{
namespace
{

// The JSON of a header, read in one pass: an object of objects of strings, numbers and lists of numbers.
class Header
{
public:
    explicit Header(std::string text) : text_(std::move(text)) {}

    bool take(char expected)
    {
        skip_space();
        if (at_ >= text_.size() || text_[at_] != expected) return false;
        ++at_;
        return true;
    }
    void need(char expected)
    {
        if (!take(expected)) throw std::runtime_error(std::string("a header of safetensors lacks '") + expected + "'");
    }
    std::string string()
    {
        need('"');
        std::string found;
        for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
            if (text_[at_] == '\\') ++at_;
            found += text_.at(at_);
        }
        need('"');
        return found;
    }
    std::vector<int64_t> numbers()
    {
        std::vector<int64_t> found;
        for (need('['); !take(']'); take(',')) {
            size_t length = 0;
            found.push_back(std::stoll(text_.substr(at_, 24), &length));
            at_ += length;
        }
        return found;
    }

private:
    void skip_space()
    {
        while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])))
            ++at_;
    }

    std::string text_;
    size_t at_ = 0;
};

} // namespace

int64_t Tensor::count() const
{
    int64_t product = 1;
    for (const int64_t extent : shape)
        product *= extent;
    return product;
}

int32_t Tensor::type() const
{
    static const std::map<std::string, int32_t> types = {
        {"F32", NBIT_DATA_TYPE_FLOAT32}, {"F16", NBIT_DATA_TYPE_FLOAT16}, {"BF16", NBIT_DATA_TYPE_BFLOAT16},
        {"U8", NBIT_DATA_TYPE_UINT8},    {"I8", NBIT_DATA_TYPE_INT8},     {"I32", NBIT_DATA_TYPE_INT32},
        {"I64", NBIT_DATA_TYPE_INT64}};
    const auto found = types.find(dtype);
    return found == types.end() ? -1 : found->second;
}

std::map<std::string, Tensor> read_safetensors(const std::string& path)
{
    std::ifstream file(path, std::ios::binary);
    uint64_t length = 0;
    file.read(reinterpret_cast<char*>(&length), sizeof(length));
    if (!file || length > (uint64_t{1} << 30)) throw std::runtime_error(path + " is no safetensors file");
    std::string text(length, '\0');
    file.read(text.data(), static_cast<std::streamsize>(length));
    const std::vector<char> data{std::istreambuf_iterator<char>(file), {}};
    Header header(text);
    std::map<std::string, Tensor> tensors;
    for (header.need('{'); !header.take('}'); header.take(',')) {
        const std::string name = header.string();
        Tensor tensor;
        std::vector<int64_t> range;
        header.need(':');
        for (header.need('{'); !header.take('}'); header.take(',')) {
            const std::string key = header.string();
            header.need(':');
            if (key == "shape")
                tensor.shape = header.numbers();
            else if (key == "data_offsets")
                range = header.numbers();
            else if (key == "dtype" || name == "__metadata__")
                tensor.dtype = header.string();
        }
        if (name == "__metadata__") continue;
        if (range.size() != 2 || range[1] < range[0] || range[1] > static_cast<int64_t>(data.size()))
            throw std::runtime_error(path + ": the bytes of " + name + " are not in the file");
        tensor.bytes.assign(data.begin() + range[0], data.begin() + range[1]);
        tensors[name] = std::move(tensor);
    }
    return tensors;
}

} // namespace nbit::gpu
