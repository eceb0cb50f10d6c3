// The derivatives of the unary functions in float.
#pragma once

#include "kernels/cuda/activation.cuh"

namespace fovea::kernels::cuda {

/// sigmoid(x) and its derivative, both with all their digits: 1 - sigmoid(x) would lose them.
struct Logistic {
    float value, slope;

    __device__ __forceinline__ explicit Logistic(float x) {
        const float e = expf(-fabsf(x)), larger = 1.0F / (1.0F + e), smaller = e * larger;
        value = x < 0.0F ? smaller : larger;
        slope = smaller * larger;
    }
};

/// f'(x); 0 at the kink of Relu.
__device__ __forceinline__ float slope(Unary f, float x) {
    switch (f) {
        case Unary::Identity: return 1.0F;
        case Unary::Relu: return x <= 0.0F ? 0.0F : 1.0F;
        case Unary::GeluErf: {
            const float cdf = 0.5F + 0.5F * erff(0.707106781F * x);
            return cdf + x * 0.398942280F * expf(-0.5F * x * x);
        }
        case Unary::GeluTanh: {  // (1 + tanh(u)) / 2 = sigmoid(2u)
            const float square = x * x;
            const Logistic s(1.595769122F * (x + 0.044715F * square * x));
            return s.value + x * s.slope * 1.595769122F * (1.0F + 0.134145F * square);
        }
        case Unary::QuickGelu: {
            const Logistic s(1.702F * x);
            return s.value + 1.702F * x * s.slope;
        }
        case Unary::Silu: {
            const Logistic s(x);
            return s.value + x * s.slope;
        }
        case Unary::Sigmoid: return Logistic(x).slope;
        case Unary::Tanh: {
            const float t = tanhf(x);
            return 1.0F - t * t;
        }
        case Unary::Exp: return expf(x);
        case Unary::Log: return 1.0F / x;
        case Unary::Sqrt: return 0.5F / sqrtf(x);
        case Unary::Square: return 2.0F * x;
    }
    return 1.0F;
}

}  // namespace fovea::kernels::cuda
