// dx (+)= dy f'(x), elementwise, from f's input x (Unary in elementwise.h). dx may be dy.
//
// Dense arrays of n elements; reads 2n (3n to accumulate) and writes n. What every training step does,
// overwriting an aligned dx, is a kernel of its own for each function.
#include "kernels/cuda/activation_slope.cuh"
#include "kernels/cuda/fixed.cuh"
#include "kernels/cuda/map.cuh"

namespace fovea::kernels::cuda {
namespace {

/// F: Unary, or a Fixed one.
template <class F>
struct Chain {
    F f;
    __device__ float operator()(float dy, float x) const { return dy * slope(f, x); }
};

struct AddChain {
    Unary f;
    __device__ float operator()(float dx, float dy, float x) const { return dx + dy * slope(f, x); }
};

}  // namespace

void unary_backward(const Stream& stream, View dx, CView dy, CView x, Unary f, GradMode mode) {
    if (!dx || mode == GradMode::Ignore) return;
    with_float(dx.dtype, [&]<class T>(std::type_identity<T>) {
        const Index n = dx.numel();
        T* const to = dx.as<T>();
        const T *const grad = dy.as<T>(), *const in = x.as<T>();
        if (mode == GradMode::Accumulate) return map(stream, n, AddChain{f}, to, to, grad, in);
        if (!all_aligned(to, grad, in))
            return map_chunks<1>(stream, n, Chain<Unary>{f}, to, grad, in);
        with_fixed(f, [&](auto fixed) {
            map_chunks<kLanes<T>>(stream, n, Chain<decltype(fixed)>{}, to, grad, in);
        });
    });
}

}  // namespace fovea::kernels::cuda
