// y = a op b for + - * /. y is dense; a and b have y's shape and may be strided or repeat (stride 0).
//
// Dense operands take the loop of map.cuh. The others: neighbouring axes that all three walk as one
// are merged, so a bias [C] on [.., C] becomes two axes; a thread takes a chunk of V elements of the
// last axis, along which an operand either lies dense or repeats one value, or single elements where
// it does neither. An operand that repeats comes from the caches after its first use: the bytes moved
// are those of y and of what a and b store.
#include "kernels/cuda/fixed.cuh"
#include "kernels/cuda/map.cuh"
#include "kernels/cuda/strided.cuh"
#include "kernels/include/elementwise.h"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256;

/// Op: Binary, or a Fixed one.
template <class Op>
struct Combine {
    Op op;
    __device__ float operator()(float a, float b) const {
        switch (Binary{op}) {
            case Binary::Add: return a + b;
            case Binary::Sub: return a - b;
            case Binary::Mul: return a * b;
            case Binary::Div: return a / b;
        }
        return a;
    }
};

/// The chunk at p, or its only value V times.
template <int V, class T>
__device__ __forceinline__ void load_or_repeat(float (&x)[V], const T* p, bool dense) {
    if (V == 1 || dense) return load_chunk<V>(x, p);
    const float value = to_float(*p);
#pragma unroll
    for (float& e : x) e = value;
}

/// items: chunks of all rows, `columns` a row; steps along the row in a and b.
template <int V, class T, class F>
__global__ void __launch_bounds__(kThreads)
    binary_kernel(T* y, const T* a, const T* b, F f, const __grid_constant__ Walk<3> rows,
                  const __grid_constant__ Divider columns, Index a_step, Index b_step,
                  Index items) {
    for (Index i = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; i < items;
         i += static_cast<Index>(gridDim.x) * kThreads) {
        const auto item = static_cast<std::uint32_t>(i);
        const std::uint32_t row = columns.quotient(item);
        const Index column = static_cast<Index>(item - row * columns.divisor) * V;
        Index at[3] = {column, column * a_step, column * b_step};
        rows.add_offsets(row, at);
        float u[V], v[V], out[V];
        load_or_repeat<V>(u, a + at[1], a_step == 1);
        load_or_repeat<V>(v, b + at[2], b_step == 1);
#pragma unroll
        for (int e = 0; e < V; ++e) out[e] = f(u[e], v[e]);
        store_chunk<V>(y + at[0], out);
    }
}

template <int V, class T, class F>
void launch_rows(const Stream& stream, const StridedLoop<3>& all, F f, T* y, const T* a,
                 const T* b) {
    for_each_piece(all, [&](const StridedLoop<3>& loop, const Offsets<3>& start) {
        const Index items = loop.shape.numel() / V;
        launch(stream, {grid_for(items, kThreads), kThreads}, binary_kernel<V, T, F>,
               y + start.at[0], a + start.at[1], b + start.at[2], f, Walk<3>(loop.outer()),
               Divider(loop.shape[-1] / V), loop.strides[1][-1], loop.strides[2][-1], items);
    });
}

/// May operand v be taken V elements at a time? Its rows then start at multiples of V.
template <class T>
bool in_chunks(const StridedLoop<3>& loop, int v, const T* p) {
    const Shape& stride = loop.strides[v];
    if (stride[-1] == 0) return true;
    bool fits = stride[-1] == 1 && aligned16(p) && loop.shape[-1] % kLanes<T> == 0;
    for (int axis = 0; axis + 1 < loop.shape.rank; ++axis) fits &= stride[axis] % kLanes<T> == 0;
    return fits;
}

}  // namespace

void binary(const Stream& stream, View y, CView a, CView b, Binary op) {
    if (y.numel() == 0) return;
    StridedLoop<3> loop = StridedLoop<3>{y.shape, {y.strides, a.strides, b.strides}}.merged();
    if (loop.shape.rank == 0) loop.push(1, {1, 1, 1});
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        T* const to = y.as<T>();
        const T *const p = a.as<T>(), *const q = b.as<T>();
        const bool dense =
            loop.shape.rank == 1 && loop.strides[1][-1] == 1 && loop.strides[2][-1] == 1;
        if (dense && all_aligned(to, p, q))
            return with_fixed(op, [&](auto fixed) {
                map_chunks<kLanes<T>>(stream, y.numel(), Combine<decltype(fixed)>{}, to, p, q);
            });
        if (in_chunks(loop, 0, to) && in_chunks(loop, 1, p) && in_chunks(loop, 2, q))
            return with_fixed(op, [&](auto fixed) {
                launch_rows<kLanes<T>>(stream, loop, Combine<decltype(fixed)>{}, to, p, q);
            });
        launch_rows<1>(stream, loop, Combine<Binary>{op}, to, p, q);
    });
}

}  // namespace fovea::kernels::cuda
