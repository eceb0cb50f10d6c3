// The unary functions in float, for the epilogues of fused kernels.
#pragma once

#include "kernels/include/elementwise.h"

namespace fovea::kernels::cuda {

__device__ __forceinline__ float sigmoid(float x) { return 1.0F / (1.0F + expf(-x)); }

/// f(x). NaN stays NaN.
__device__ __forceinline__ float apply(Unary f, float x) {
    switch (f) {
        case Unary::Identity: return x;
        case Unary::Relu: return x < 0.0F ? 0.0F : x;
        case Unary::GeluErf: return 0.5F * x * erfcf(-0.707106781F * x);
        case Unary::GeluTanh: {
            const float inner = 0.797884561F * (x + 0.044715F * x * x * x);
            return 0.5F * x * (1.0F + tanhf(inner));
        }
        case Unary::QuickGelu: return x * sigmoid(1.702F * x);
        case Unary::Silu: return x * sigmoid(x);
        case Unary::Sigmoid: return sigmoid(x);
        case Unary::Tanh: return tanhf(x);
        case Unary::Exp: return expf(x);
        case Unary::Log: return logf(x);
        case Unary::Sqrt: return sqrtf(x);
        case Unary::Square: return x * x;
    }
    return x;
}

}  // namespace fovea::kernels::cuda
