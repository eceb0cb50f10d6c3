// y = x, elementwise, with strides, repeats (stride 0) and conversion between dtypes.
//
// Axes are sorted by y's strides, so that y is written in the order of its memory, and neighbouring
// axes that both walk as one are merged. Then
//   one dtype, both dense             the runtime's copy
//   F32 and BF16, both dense          map.cuh
//   last axis dense in both           rows: words of up to 16 bytes, as wide as all addresses allow
//   last axis dense in y, another
//   one in x                          copy_transposed (copy_transposed.cu)
//   F32 and BF16 or one dtype else    rows, an element at a time
//   other dtypes                      copy_converted (copy_converted.cu)
// Every form but the last two reads each sector of x once and writes each of y once.
#include "kernels/cuda/copy.h"

#include "kernels/cuda/map.cuh"
#include "kernels/cuda/strided.cuh"
#include "kernels/include/elementwise.h"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256;

/// items: chunks of V elements, `columns` a row; steps along a row.
template <int V, class To, class From>
__global__ void __launch_bounds__(kThreads)
    copy_kernel(To* __restrict__ y, const From* __restrict__ x,
                const __grid_constant__ Walk<2> rows, const __grid_constant__ Divider columns,
                Index y_step, Index x_step, Index items) {
    for (Index i = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; i < items;
         i += static_cast<Index>(gridDim.x) * kThreads) {
        const auto item = static_cast<std::uint32_t>(i);
        const std::uint32_t row = columns.quotient(item);
        const Index column = static_cast<Index>(item - row * columns.divisor) * V;
        Index at[2] = {column * y_step, column * x_step};
        rows.add_offsets(row, at);
        if constexpr (std::is_same_v<To, From>) {
            y[at[0]] = x[at[1]];
        } else {
            float value[V];
            load_chunk<V>(value, x + at[1]);
            store_chunk<V>(y + at[0], value);
        }
    }
}

template <int V, class To, class From>
void copy_rows(const Stream& stream, const CopyLoop& all, To* y, const From* x) {
    for_each_piece(all, [&](const CopyLoop& loop, const Offsets<2>& start) {
        const Index items = loop.shape.numel() / V;
        launch(stream, {grid_for(items, kThreads), kThreads}, copy_kernel<V, To, From>,
               y + start.at[0], x + start.at[1], Walk<2>(loop.outer()), Divider(loop.shape[-1] / V),
               loop.strides[0][-1], loop.strides[1][-1], items);
    });
}

/// Does the last axis lie dense in both?
bool dense_rows(const CopyLoop& loop) {
    return loop.strides[0][-1] == 1 && loop.strides[1][-1] == 1;
}

/// Do all rows of `size`-byte elements begin and end at multiples of `unit` bytes?
bool rows_in_units(const CopyLoop& loop, const void* data, int view, Index size, Index unit) {
    bool fits = loop.shape[-1] * size % unit == 0 &&
                static_cast<Index>(reinterpret_cast<std::uintptr_t>(data)) % unit == 0;
    for (int axis = 0; axis + 1 < loop.shape.rank; ++axis)
        fits &= loop.strides[view][axis] * size % unit == 0;
    return fits;
}

/// One dtype: only the size of the elements matters, and dense rows are rows of wider words.
void copy_words(const Stream& stream, CopyLoop loop, View y, CView x) {
    const auto size = static_cast<Index>(size_of(y.dtype));
    Index unit = size;
    while (dense_rows(loop) && unit < 16 && rows_in_units(loop, y.data, 0, size, 2 * unit) &&
           rows_in_units(loop, x.data, 1, size, 2 * unit))
        unit *= 2;
    const Index merged = unit / size;
    loop.shape[-1] /= merged;
    for (int axis = 0; axis + 1 < loop.shape.rank; ++axis)
        for (Shape& strides : loop.strides) strides[axis] /= merged;
    const auto go = [&]<class Word>(std::type_identity<Word>) {
        copy_rows<1>(stream, loop, y.as<Word>(), x.as<Word>());
    };
    switch (unit) {
        case 16: return go(std::type_identity<uint4>{});
        case 8: return go(std::type_identity<std::uint64_t>{});
        case 4: return go(std::type_identity<std::uint32_t>{});
        case 2: return go(std::type_identity<std::uint16_t>{});
        default: return go(std::type_identity<std::uint8_t>{});
    }
}

struct Same {
    __device__ float operator()(float x) const { return x; }
};

/// F32 to BF16 or back; with 4 elements a chunk every access of a warp is coalesced.
template <class To, class From>
void convert_rows(const Stream& stream, const CopyLoop& loop, To* y, const From* x) {
    constexpr int V = 4;
    if (loop.shape.rank == 1 && dense_rows(loop))
        return map(stream, loop.shape.numel(), Same{}, y, x);
    if (dense_rows(loop) && rows_in_units(loop, y, 0, sizeof(To), V * sizeof(To)) &&
        rows_in_units(loop, x, 1, sizeof(From), V * sizeof(From)))
        return copy_rows<V>(stream, loop, y, x);
    copy_rows<1>(stream, loop, y, x);
}

CopyLoop sorted_by_stride(View y, CView x) {
    int order[kMaxRank] = {0, 1, 2, 3, 4, 5};
    std::stable_sort(order, order + y.rank(),
                     [&](int a, int b) { return y.strides[a] > y.strides[b]; });
    CopyLoop loop;
    for (int i = 0; i < y.rank(); ++i)
        loop.push(y.shape[order[i]], {y.strides[order[i]], x.strides[order[i]]});
    return loop;
}

/// The axis other than the last that lies dense in x, both of a length that makes tiles worthwhile;
/// -1 where there is none, or the last one does not lie dense in y.
int transposed_axis(const CopyLoop& loop) {
    constexpr Index kWorthwhile = 8;
    if (loop.strides[0][-1] != 1 || loop.shape[-1] < kWorthwhile) return -1;
    for (int axis = 0; axis + 1 < loop.shape.rank; ++axis)
        if (loop.strides[1][axis] == 1 && loop.shape[axis] >= kWorthwhile) return axis;
    return -1;
}

bool is_computed(DType t) { return t == DType::F32 || t == DType::BF16; }

}  // namespace

void copy(const Stream& stream, View y, CView x) {
    if (y.numel() == 0) return;
    CopyLoop loop = sorted_by_stride(y, x).merged();
    if (loop.shape.rank == 0) loop.push(1, {1, 1});
    const bool same = x.dtype == y.dtype;
    if (!same && !(is_computed(x.dtype) && is_computed(y.dtype)))
        return copy_converted(stream, loop, y, x);
    if (same && loop.shape.rank == 1 && dense_rows(loop)) {
        FOVEA_CUDA_CHECK(cudaMemcpyAsync(y.data, x.data,
                                         static_cast<std::size_t>(y.numel()) * size_of(y.dtype),
                                         cudaMemcpyDeviceToDevice, handle(stream)));
        return;
    }
    const int axis = transposed_axis(loop);
    if (axis >= 0) return copy_transposed(stream, loop, axis, y, x);
    if (same) return copy_words(stream, loop, y, x);
    if (y.dtype == DType::F32)
        convert_rows(stream, loop, y.as<float>(), x.as<BFloat16>());
    else
        convert_rows(stream, loop, y.as<BFloat16>(), x.as<float>());
}

}  // namespace fovea::kernels::cuda
