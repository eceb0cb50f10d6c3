// y = alpha x + beta y on dense arrays, each in F32 or BF16. Reads x, and y where beta is not 0; writes y.
#include "kernels/cuda/map.cuh"
#include "kernels/include/elementwise.h"

namespace fovea::kernels::cuda {
namespace {

struct Scale {
    float alpha;
    __device__ float operator()(float x) const { return alpha * x; }
};

struct AddScaled {
    float alpha, beta;
    __device__ float operator()(float x, float y) const { return alpha * x + beta * y; }
};

}  // namespace

void axpby(const Stream& stream, View y, CView x, double alpha, double beta) {
    const float p = static_cast<float>(alpha), q = static_cast<float>(beta);
    with_float(y.dtype, [&]<class Y>(std::type_identity<Y>) {
        with_float(x.dtype, [&]<class X>(std::type_identity<X>) {
            Y* const to = y.as<Y>();
            if (beta == 0.0)
                map(stream, y.numel(), Scale{p}, to, x.as<X>());
            else
                map(stream, y.numel(), AddScaled{p, q}, to, x.as<X>(), static_cast<const Y*>(to));
        });
    });
}

}  // namespace fovea::kernels::cuda
