// fill and copy, the two kernels that know every dtype.
#include <algorithm>
#include <cstring>

#include "kernels/cpu/convert.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/strided.h"
#include "kernels/include/elementwise.h"

namespace fovea::kernels::cpu {

void fill(const Stream&, View y, double value) {
    with_element_type(y.dtype, [&](auto type) {
        using T = typename decltype(type)::type;
        const T element = from_double<T>(value);
        parallel_elements(y.numel(), 1, [&](std::int64_t begin, std::int64_t end) {
            std::fill(y.as<T>() + begin, y.as<T>() + end, element);
        });
    });
}

namespace {

/// n elements of kSize bytes from x to y, steps in elements.
template <std::int64_t kSize>
void copy_row(char* y, std::int64_t y_step, const char* x, std::int64_t x_step, std::int64_t n) {
    if (y_step == 1 && x_step == 1)
        std::memcpy(y, x, static_cast<std::size_t>(n * kSize));
    else
        for (std::int64_t i = 0; i < n; ++i)
            std::memcpy(y + i * y_step * kSize, x + i * x_step * kSize, kSize);
}

/// The same between two element types.
void convert_row(DType y_type, void* y, std::int64_t y_step, DType x_type, const void* x,
                 std::int64_t x_step, std::int64_t n) {
    constexpr std::int64_t kBlock = 256;
    double block[kBlock];
    for (std::int64_t start = 0; start < n; start += kBlock) {
        const std::int64_t m = std::min(kBlock, n - start);
        with_element_type(x_type, [&](auto type) {
            const auto* from = static_cast<const typename decltype(type)::type*>(x);
            for (std::int64_t i = 0; i < m; ++i) block[i] = to_double(from[(start + i) * x_step]);
        });
        with_element_type(y_type, [&](auto type) {
            using T = typename decltype(type)::type;
            auto* to = static_cast<T*>(y);
            for (std::int64_t i = 0; i < m; ++i)
                to[(start + i) * y_step] = from_double<T>(block[i]);
        });
    }
}

/// row(y, x, n) for every innermost run of the loop; steps in elements.
template <class Row>
void for_each_run(const StridedLoop<2>& loop, View y, CView x, const Row& row) {
    const auto y_at = [&](std::int64_t i) {
        return y.as<char>() + i * static_cast<std::int64_t>(size_of(y.dtype));
    };
    const auto x_at = [&](std::int64_t i) {
        return x.as<char>() + i * static_cast<std::int64_t>(size_of(x.dtype));
    };
    const std::int64_t n = loop.shape[-1];
    const std::int64_t y_step = loop.strides[0][-1], x_step = loop.strides[1][-1];
    const StridedLoop<2> outer = loop.outer();
    const std::int64_t runs = outer.shape.numel();
    if (runs == 1)
        return parallel_elements(n, 1, [&](std::int64_t begin, std::int64_t end) {
            row(y_at(begin * y_step), y_step, x_at(begin * x_step), x_step, end - begin);
        });
    parallel_for(runs, n, [&](std::int64_t begin, std::int64_t end) {
        StridedCursor<2> at(outer, begin);
        for (std::int64_t i = begin; i < end; ++i, at.next())
            row(y_at(at[0]), y_step, x_at(at[1]), x_step, n);
    });
}

}  // namespace

void copy(const Stream&, View y, CView x) {
    if (y.numel() == 0) return;
    StridedLoop<2> loop = StridedLoop<2>{y.shape, {y.strides, x.strides}}.merged();
    if (loop.shape.rank == 0) loop.push(1, {1, 1});
    if (x.dtype != y.dtype)
        return for_each_run(
            loop, y, x,
            [&](char* to, std::int64_t y_step, const char* from, std::int64_t x_step,
                std::int64_t n) { convert_row(y.dtype, to, y_step, x.dtype, from, x_step, n); });
    switch (size_of(y.dtype)) {
        case 8: return for_each_run(loop, y, x, copy_row<8>);
        case 4: return for_each_run(loop, y, x, copy_row<4>);
        case 2: return for_each_run(loop, y, x, copy_row<2>);
        default: return for_each_run(loop, y, x, copy_row<1>);
    }
}

}  // namespace fovea::kernels::cpu
