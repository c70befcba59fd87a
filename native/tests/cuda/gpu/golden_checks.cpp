// Blocks, against the data that was recorded from bitsandbytes or derived from NBit's rules: the names are explained in
// the README beside it.
#include "checks.h"
#include "cpu/codes4.h"

#include <cstdio>
#include <filesystem>

namespace nbit::gpu
{
namespace
{

using Tensors = std::map<std::string, Tensor>;

// The tensors of some files, where those of NBit's rules ("nbit.NAME") take the place of others.
Tensors read_all(const std::string& directory, std::initializer_list<const char*> files)
{
    Tensors all;
    for (const char* file : files) {
        const std::string path = directory + "/bitsandbytes/" + file + ".safetensors";
        if (!std::filesystem::exists(path)) continue;
        for (auto& [name, tensor] : read_safetensors(path))
            all[name.rfind("nbit.", 0) == 0 ? name.substr(5) : name] = std::move(tensor);
    }
    return all;
}

// "normal.f16.nf4.bs64" is blocks of 64 of "normal.f16.input".
struct Case {
    std::string prefix, input;
    int64_t blocksize;
};

std::vector<Case> cases_with(const Tensors& tensors, const std::string& result)
{
    std::vector<Case> cases;
    for (const auto& [name, tensor] : tensors) {
        if (name.size() <= result.size() || name.compare(name.size() - result.size(), result.size(), result) != 0)
            continue;
        const std::string prefix = name.substr(0, name.size() - result.size());
        const size_t end = prefix.rfind(".bs");
        long long blocksize = 0;
        if (end == std::string::npos || std::sscanf(prefix.c_str() + end, ".bs%lld", &blocksize) != 1) continue;
        std::string input = prefix.substr(0, end) + ".input";
        if (!tensors.count(input)) input = prefix.substr(0, prefix.rfind('.', end - 1)) + ".input";
        if (tensors.count(input) && tensors.at(input).type() >= 0 && tensors.count(prefix + ".absmax"))
            cases.push_back({prefix, input, blocksize});
    }
    return cases;
}

std::string joined(std::string first, const std::string& second) { return first.empty() ? second : first; }

void check_blocks4(Checks& checks, const Tensors& tensors)
{
    for (const Case& c : cases_with(tensors, ".packed")) {
        const bool is_nf4 = c.prefix.find(".nf4.") != std::string::npos;
        const Tensor &input = tensors.at(c.input), &packed = tensors.at(c.prefix + ".packed"),
                     &absmax = tensors.at(c.prefix + ".absmax");
        const int32_t quant_type = is_nf4 ? NBIT_QUANT_TYPE_NF4 : NBIT_QUANT_TYPE_FP4, type = input.type();
        const float* table = is_nf4 ? Nf4::table.data() : Fp4::table.data();
        const std::vector<float> source = widened(type, input.bytes),
                                 scales = widened(NBIT_DATA_TYPE_FLOAT32, absmax.bytes);
        checks.compare(
            "golden: quantize to 4 bits", c.prefix, {input.bytes, nothing(packed.count()), nothing(absmax.count() * 4)},
            {{}, packed.bytes, absmax.bytes},
            [&](nbit_context* on, const Checks::Addresses& a) {
                return nbit_blocks4_quantize(on, quant_type, type, a[0], input.count(), c.blocksize,
                                             static_cast<uint8_t*>(a[1]), static_cast<float*>(a[2]));
            },
            [&](const Checks::Memory& expected, const Checks::Memory& found) {
                return joined(compare_exactly("absmax", expected[2], found[2]),
                              compare_codes({table, source, scales.data(), c.blocksize, true}, expected[1], found[1]));
            });
        const auto dequantized = tensors.find(c.prefix + ".dequant");
        if (dequantized == tensors.end()) continue;
        checks.compare(
            "golden: dequantize from 4 bits", c.prefix,
            {packed.bytes, absmax.bytes, nothing(static_cast<int64_t>(dequantized->second.bytes.size()))},
            {{}, {}, dequantized->second.bytes},
            [&](nbit_context* on, const Checks::Addresses& a) {
                return nbit_blocks4_dequantize(on, quant_type, static_cast<uint8_t*>(a[0]), static_cast<float*>(a[1]),
                                               nullptr, nullptr, nullptr, input.count(), c.blocksize, type, a[2]);
            },
            [&](const Checks::Memory& expected, const Checks::Memory& found) {
                return compare_numbers("target", type, expected[2], found[2], 0, 0);
            });
    }
}

void check_blocks8(Checks& checks, const Tensors& tensors, const Tensors& books)
{
    const std::vector<float> maps[] = {widened(NBIT_DATA_TYPE_FLOAT32, books.at("dynamic_unsigned").bytes),
                                       widened(NBIT_DATA_TYPE_FLOAT32, books.at("dynamic_signed").bytes)};
    const nbit_codebook8* prepared[] = {checks.book(maps[0].data()), checks.book(maps[1].data())};
    for (const Case& c : cases_with(tensors, ".q")) {
        const bool is_signed = c.prefix.find(".signed.") != std::string::npos;
        if (!is_signed && c.prefix.find(".unsigned.") == std::string::npos) continue; // of another map
        if (c.prefix.find("cuda_derived") != std::string::npos) continue;
        const Tensor &input = tensors.at(c.input), &codes = tensors.at(c.prefix + ".q"),
                     &absmax = tensors.at(c.prefix + ".absmax");
        const int32_t type = input.type();
        const std::vector<float> source = widened(type, input.bytes),
                                 scales = widened(NBIT_DATA_TYPE_FLOAT32, absmax.bytes);
        checks.compare(
            "golden: quantize to 8 bits", c.prefix, {input.bytes, nothing(codes.count()), nothing(absmax.count() * 4)},
            {{}, codes.bytes, absmax.bytes},
            [&](nbit_context* on, const Checks::Addresses& a) {
                return nbit_blocks8_quantize(on, prepared[is_signed], type, a[0], input.count(), c.blocksize,
                                             static_cast<uint8_t*>(a[1]), static_cast<float*>(a[2]));
            },
            [&](const Checks::Memory& expected, const Checks::Memory& found) {
                return joined(compare_exactly("absmax", expected[2], found[2]),
                              compare_codes({maps[is_signed].data(), source, scales.data(), c.blocksize, false},
                                            expected[1], found[1]));
            });
    }
}

} // namespace

void check_golden_blocks(Checks& checks, const std::string& directory)
{
    check_blocks4(checks, read_all(directory, {"quant4bit", "nbit_quant4bit"}));
    const Tensors books = read_all(directory, {"codebooks"});
    if (!books.empty())
        check_blocks8(checks, read_all(directory, {"quant8bit_blockwise", "nbit_quant8bit_blockwise"}), books);
}

} // namespace nbit::gpu
