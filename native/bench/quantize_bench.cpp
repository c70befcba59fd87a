// Throughput of the quantizers for every instruction set that this machine has, as a share of the memory's limits,
// which are measured between the repetitions. Usage: nbit_quantize_bench [filter] [rounds].
#include "support.h"

#include <cstdio>

using namespace nbit::bench;

namespace
{

constexpr int64_t columns = 4096; // of matrices

struct Quantizers : Bench {
    Buffer codes = touched_buffer();
    std::vector<float> absmax = std::vector<float>(buffer_bytes / 2 / 32, 1.0f);
    std::vector<uint8_t> absmax_codes = std::vector<uint8_t>(absmax.size(), 200), flags = std::vector<uint8_t>(columns);
    std::vector<float> values = std::vector<float>(256);
    float offset = 0.5f;
    nbit_codebook8 *dynamic_signed = nullptr, *dynamic_unsigned = nullptr, *linear = nullptr;

    Quantizers()
    {
        check(nbit_codebook8_create_dynamic(context, 1, &dynamic_signed));
        check(nbit_codebook8_create_dynamic(context, 0, &dynamic_unsigned));
        for (size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<float>(i) / 127.5f - 1;
        check(nbit_codebook8_create(context, values.data(), &linear));
        for (int64_t i = 0; i < buffer_bytes; ++i)
            codes.get()[i] = static_cast<char>(static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15 >> 56);
    }
    ~Quantizers()
    {
        for (nbit_codebook8* book : {dynamic_signed, dynamic_unsigned, linear})
            nbit_codebook8_destroy(book);
    }
    uint8_t* bytes_of_target() const { return reinterpret_cast<uint8_t*>(target.get()); }
    const uint8_t* bytes_of_codes() const { return reinterpret_cast<const uint8_t*>(codes.get()); }
};

// What the larger buffer holds.
int64_t count_of(const Format& format) { return buffer_bytes / format.size; }

Work work(int64_t count, double bytes_read, double bytes_written, const std::function<void()>& run)
{
    const auto elements = static_cast<double>(count);
    return {elements, elements * bytes_read, elements * bytes_written, run};
}

Work quantize4(Quantizers& q, int32_t quant_type, const Format& from, int64_t blocksize)
{
    const double scales = 4.0 / static_cast<double>(blocksize);
    return work(count_of(from), static_cast<double>(from.size), 0.5 + scales, [&q, quant_type, from, blocksize] {
        check(nbit_blocks4_quantize(q.context, quant_type, from.type, q.source.get(), count_of(from), blocksize,
                                    q.bytes_of_target(), q.absmax.data()));
    });
}

Work dequantize4(Quantizers& q, bool nested, const Format& to, int64_t blocksize)
{
    const double scales = (nested ? 1.0 : 4.0) / static_cast<double>(blocksize);
    return work(count_of(to), 0.5 + scales, static_cast<double>(to.size), [&q, nested, to, blocksize] {
        check(nbit_blocks4_dequantize(q.context, NBIT_QUANT_TYPE_NF4, q.bytes_of_codes(), q.absmax.data(),
                                      nested ? q.absmax_codes.data() : nullptr, nested ? q.values.data() : nullptr,
                                      nested ? &q.offset : nullptr, count_of(to), blocksize, to.type, q.target.get()));
    });
}

Work quantize8(Quantizers& q, const nbit_codebook8* book, const Format& from, int64_t blocksize)
{
    const double scales = 4.0 / static_cast<double>(blocksize);
    return work(count_of(from), static_cast<double>(from.size), 1 + scales, [&q, book, from, blocksize] {
        check(nbit_blocks8_quantize(q.context, book, from.type, q.source.get(), count_of(from), blocksize,
                                    q.bytes_of_target(), q.absmax.data()));
    });
}

Work dequantize8(Quantizers& q, const Format& to, int64_t blocksize)
{
    const double scales = 4.0 / static_cast<double>(blocksize);
    return work(count_of(to), 1 + scales, static_cast<double>(to.size), [&q, to, blocksize] {
        check(nbit_blocks8_dequantize(q.context, q.dynamic_signed, q.bytes_of_codes(), q.absmax.data(), count_of(to),
                                      blocksize, to.type, q.target.get()));
    });
}

// With the usual threshold, of which normally distributed numbers have none beyond.
Work quantize_rows(Quantizers& q, const Format& from, float threshold)
{
    return work(count_of(from), static_cast<double>(from.size), 1, [&q, from, threshold] {
        check(nbit_rows8_quantize(q.context, from.type, q.source.get(), count_of(from) / columns, columns, threshold,
                                  reinterpret_cast<int8_t*>(q.target.get()), q.absmax.data(), q.flags.data()));
    });
}

// Matrices of 512 rows, as many as the buffer holds.
Work quantize_columns(Quantizers& q, const Format& from)
{
    return work(count_of(from), static_cast<double>(from.size), 1, [&q, from] {
        constexpr int64_t rows = 512;
        for (int64_t at = 0; at < count_of(from); at += rows * columns)
            check(nbit_columns8_quantize(q.context, from.type, q.source.get() + at * from.size, rows, columns, nullptr,
                                         reinterpret_cast<int8_t*>(q.target.get()) + at, q.absmax.data()));
    });
}

Work dequantize_rows(Quantizers& q, const Format& to)
{
    return work(count_of(to), 1, static_cast<double>(to.size), [&q, to] {
        check(nbit_rows8_dequantize(q.context, reinterpret_cast<const int8_t*>(q.codes.get()), q.absmax.data(),
                                    count_of(to) / columns, columns, to.type, q.target.get()));
    });
}

struct Row {
    std::string name;
    Work work;
};

std::vector<Row> rows_for(Quantizers& q, const Format& format)
{
    std::vector<Row> rows;
    const std::string type = format.name;
    for (const int64_t blocksize : {64, 4096}) {
        const std::string blocks = " | " + type + " | " + std::to_string(blocksize);
        rows.push_back({"quantize nf4" + blocks, quantize4(q, NBIT_QUANT_TYPE_NF4, format, blocksize)});
        rows.push_back({"quantize fp4" + blocks, quantize4(q, NBIT_QUANT_TYPE_FP4, format, blocksize)});
        rows.push_back({"dequantize nf4" + blocks, dequantize4(q, false, format, blocksize)});
        rows.push_back({"dequantize nf4-dq" + blocks, dequantize4(q, true, format, blocksize)});
        rows.push_back({"quantize 8-bit signed map" + blocks, quantize8(q, q.dynamic_signed, format, blocksize)});
        rows.push_back({"quantize 8-bit unsigned map" + blocks, quantize8(q, q.dynamic_unsigned, format, blocksize)});
        rows.push_back({"quantize 8-bit any code" + blocks, quantize8(q, q.linear, format, blocksize)});
        rows.push_back({"dequantize 8-bit" + blocks, dequantize8(q, format, blocksize)});
    }
    rows.push_back({"quantize int8 rows | " + type + " | row", quantize_rows(q, format, 0)});
    rows.push_back({"quantize int8 rows, threshold 6 | " + type + " | row", quantize_rows(q, format, 6)});
    rows.push_back({"quantize int8 columns | " + type + " | column", quantize_columns(q, format)});
    rows.push_back({"dequantize int8 rows | " + type + " | row", dequantize_rows(q, format)});
    return rows;
}

void run(const std::string& filter, int rounds)
{
    Quantizers quantizers;
    int32_t best = 0;
    check(nbit_instruction_set_detect(&best));
    std::printf("%d threads, %lld MiB of numbers, rows of %lld, median of %d rounds (range)\n\n", threads,
                static_cast<long long>(buffer_bytes >> 20), static_cast<long long>(columns), rounds);
    Bench::print_head("| work | numbers | blocksize | instruction set |");
    for (const Format& format : {float32_format, float16_format, bfloat16_format}) {
        quantizers.prepare(format);
        for (const Row& row : rows_for(quantizers, format))
            for (int32_t set = best; set >= 0; --set) {
                const std::string label = row.name + " | " + instruction_sets[set];
                if (label.find(filter) == std::string::npos) continue;
                check(nbit_instruction_set_force(set));
                quantizers.measure("| " + label + " |", row.work, rounds);
            }
    }
}

} // namespace

int main(int argc, char** argv) { return run_with_arguments(argc, argv, run); }
