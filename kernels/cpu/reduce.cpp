// Sums over axes, in an order that depends on shapes only. Kept axes and summed axes are merged into
// two loops; which of them walks memory contiguously decides between three forms.
#include "kernels/include/reduce.h"

#include <bit>
#include <cmath>

#include "kernels/cpu/columns.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/strided.h"

namespace fovea::kernels::cpu {
namespace {

constexpr std::int64_t kBlock = 8192;  // elements of a flat sum that one task adds up

/// Sum over i < n of term(begin, end) on fixed blocks, in block order.
template <class T, class F>
T sum_of_blocks(std::int64_t n, const F& term) {
    static thread_local Scratch<T> scratch;
    const Chunks blocks(n, kBlock, n / kBlock + 1);
    T* const partial = scratch.get(blocks.count);
    parallel_for(blocks.count, kBlock, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t i = first; i < last; ++i)
            partial[i] = term(blocks.begin(i), blocks.end(i));
    });
    T total{};
    for (std::int64_t i = 0; i < blocks.count; ++i) total += partial[i];
    return total;
}

float row_sum(const float* x, std::int64_t n) {
    return sum_of_lanes(fold(
        n, Vec{}, [](Vec s, Vec v) { return s + v; }, x))[0];
}

struct Reduction {
    StridedLoop<2> kept;    ///< strides of y, x
    StridedLoop<1> summed;  ///< strides of x
    float* y;
    const float* x;
    float scale;
    bool accumulate;

    void write(float* out, float sum) const {
        *out = accumulate ? *out + scale * sum : scale * sum;
    }
};

/// The summed axis is the contiguous one: every output is a sum of runs of n floats.
void reduce_runs(const Reduction& r) {
    const std::int64_t n = r.summed.shape[-1], outputs = r.kept.shape.numel();
    const StridedLoop<1> outer = r.summed.outer();
    const std::int64_t runs = outer.shape.numel();
    if (outputs == 1 && runs == 1) {
        const double sum = sum_of_blocks<double>(n, [&](std::int64_t begin, std::int64_t end) {
            return static_cast<double>(row_sum(r.x + begin, end - begin));
        });
        return r.write(r.y, static_cast<float>(sum));
    }
    parallel_for(outputs, runs * n, [&](std::int64_t begin, std::int64_t end) {
        StridedCursor<2> at(r.kept, begin);
        for (std::int64_t i = begin; i < end; ++i, at.next()) {
            StridedCursor<1> run(outer, 0);
            double sum = 0.0;
            for (std::int64_t j = 0; j < runs; ++j, run.next())
                sum += static_cast<double>(row_sum(r.x + at[1] + run[0], n));
            r.write(r.y + at[0], static_cast<float>(sum));
        }
    });
}

/// A kept axis is the contiguous one: rows are added up, in blocks of columns. Few outputs and many
/// rows (a bias gradient): chunks of the rows become partial sums.
void reduce_rows(const Reduction& r) {
    constexpr std::int64_t kColumns = 512, kTasks = 64;
    static thread_local Scratch<float> scratch, own_row;
    const StridedLoop<2> kept = r.kept.outer();
    const StridedLoop<1> outer = r.summed.outer();
    const std::int64_t cols = r.kept.shape[-1], rows = r.summed.shape[-1];
    const std::int64_t stride = r.summed.strides[0][-1], groups = outer.shape.numel();
    const std::int64_t width = std::min(cols, kColumns), blocks = (cols + width - 1) / width;
    const std::int64_t outputs = kept.shape.numel() * blocks;
    const Chunks chunks(rows, 64, std::max<std::int64_t>(1, kTasks / outputs));

    const auto sum_chunk = [&](std::int64_t output, std::int64_t chunk, float* sums) {
        const std::int64_t column = output % blocks * width, n = std::min(width, cols - column);
        const float* const x = r.x + StridedCursor<2>(kept, output / blocks)[1] +
                               chunks.begin(chunk) * stride + column;
        std::fill(sums, sums + n, 0.0f);
        StridedCursor<1> group(outer, 0);
        for (std::int64_t g = 0; g < groups; ++g, group.next())
            add_rows(sums, x + group[0], chunks.end(chunk) - chunks.begin(chunk), n, stride);
    };
    const auto write = [&](std::int64_t output, const float* sums) {
        const std::int64_t column = output % blocks * width, n = std::min(width, cols - column);
        float* const y = r.y + StridedCursor<2>(kept, output / blocks)[0] + column;
        if (r.accumulate)
            map(
                n, [&](Vec old, Vec s) { return old + r.scale * s; }, y, y, sums);
        else
            map(
                n, [&](Vec s) { return r.scale * s; }, y, sums);
    };

    if (chunks.count == 1)
        return parallel_for(outputs, groups * rows * width,
                            [&](std::int64_t begin, std::int64_t end) {
                                float* const sums = own_row.get(width);
                                for (std::int64_t output = begin; output < end; ++output) {
                                    sum_chunk(output, 0, sums);
                                    write(output, sums);
                                }
                            });

    float* const partials = scratch.get(outputs * chunks.count * width);
    parallel_for(outputs * chunks.count, groups * chunks.size * width,
                 [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t task = begin; task < end; ++task)
                         sum_chunk(task / chunks.count, task % chunks.count,
                                   partials + task * width);
                 });
    for (std::int64_t output = 0; output < outputs; ++output) {
        float* const sums = partials + output * chunks.count * width;
        add_rows(sums, sums + width, chunks.count - 1, width, width);
        write(output, sums);
    }
}

/// No axis is contiguous.
void reduce_elements(const Reduction& r) {
    const std::int64_t n = r.summed.shape.numel();
    parallel_for(r.kept.shape.numel(), n, [&](std::int64_t begin, std::int64_t end) {
        StridedCursor<2> at(r.kept, begin);
        for (std::int64_t i = begin; i < end; ++i, at.next()) {
            StridedCursor<1> element(r.summed, 0);
            double sum = 0.0;
            for (std::int64_t j = 0; j < n; ++j, element.next())
                sum += static_cast<double>(r.x[at[1] + element[0]]);
            r.write(r.y + at[0], static_cast<float>(sum));
        }
    });
}

}  // namespace

void reduce_sum(const Stream&, View y, CView x, double scale, GradMode mode) {
    if (y.numel() == 0 || mode == GradMode::Ignore) return;
    Reduction r{{},
                {},
                y.as<float>(),
                x.as<float>(),
                static_cast<float>(scale),
                mode == GradMode::Accumulate};
    for (int axis = 0; axis < x.rank(); ++axis) {
        if (y.dim(axis) == x.dim(axis))
            r.kept.push(x.dim(axis), {y.strides[axis], x.strides[axis]});
        else
            r.summed.push(x.dim(axis), {x.strides[axis]});
    }
    r.kept = r.kept.merged();
    r.summed = r.summed.merged();
    if (r.summed.shape.rank == 0) r.summed.push(1, {0});
    if (r.kept.shape.rank > 0 && r.kept.strides[0][-1] == 1 && r.kept.strides[1][-1] == 1)
        return reduce_rows(r);
    if (r.summed.strides[0][-1] == 1) return reduce_runs(r);
    reduce_elements(r);
}

void sum_of_squares(const Stream&, View out, CView x) {
    const float* const p = x.as<float>();
    *out.as<double>() = sum_of_blocks<double>(x.numel(), [&](std::int64_t begin, std::int64_t end) {
        // Lanes of their own make the order of the sum explicit and let it be vectorized.
        constexpr std::int64_t kSums = 32;
        double sums[kSums] = {};
        std::int64_t i = begin;
        for (; i + kSums <= end; i += kSums)
            for (std::int64_t lane = 0; lane < kSums; ++lane) {
                const double v = static_cast<double>(p[i + lane]);
                sums[lane] += v * v;
            }
        for (; i < end; ++i) sums[0] += static_cast<double>(p[i]) * static_cast<double>(p[i]);
        double total = 0.0;
        for (const double s : sums) total += s;
        return total;
    });
}

void count_nonfinite(const Stream&, View out, CView x) {
    const float* const p = x.as<float>();
    *out.as<std::int64_t>() =
        sum_of_blocks<std::int64_t>(x.numel(), [&](std::int64_t begin, std::int64_t end) {
            std::int32_t count = 0;
            for (std::int64_t i = begin; i < end; ++i)
                count += (std::bit_cast<std::uint32_t>(p[i]) & 0x7F800000u) == 0x7F800000u ? 1 : 0;
            return std::int64_t{count};
        });
}

}  // namespace fovea::kernels::cpu
