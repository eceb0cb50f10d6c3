// Elementwise passes over a whole arena: clip_values and ema_update.
#include "kernels/cuda/map.cuh"
#include "kernels/include/optimizer.h"

namespace fovea::kernels::cuda {
namespace {

struct Clip {
    float limit;
    __device__ float operator()(float x) const {  // NaN stays NaN
        return x < -limit ? -limit : x > limit ? limit : x;
    }
};

struct Average {
    float keep, take;
    __device__ float operator()(float e, float p) const { return keep * e + take * p; }
};

}  // namespace

void clip_values(const Stream& stream, View g, double limit) {
    with_float(g.dtype, [&]<class T>(std::type_identity<T>) {
        T* const values = g.as<T>();
        map(stream, g.numel(), Clip{static_cast<float>(limit)}, values,
            static_cast<const T*>(values));
    });
}

void ema_update(const Stream& stream, View e, CView p, double decay) {
    const Average average{static_cast<float>(decay), static_cast<float>(1.0 - decay)};
    with_float(e.dtype, [&]<class T>(std::type_identity<T>) {
        T* const values = e.as<T>();
        map(stream, e.numel(), average, values, static_cast<const T*>(values), p.as<T>());
    });
}

}  // namespace fovea::kernels::cuda
