// Gradients of weights as training asks for them, which the case table does not: F32 beside BF16
// activations, with the bias' gradient, fresh and added to. The summed axis is long enough for parts that
// wait for each other.
#include <catch2/catch.hpp>

#include "core/tensor.h"
#include "kernels/include/conv.h"
#include "kernels/include/matmul.h"
#include "tests/cases/distance.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

/// Multiples of 1/8 in [-1, 1), exact in BF16.
Tensor numbers(const Shape& shape, DType dtype, Device device) {
    std::vector<double> values(static_cast<std::size_t>(shape.numel()));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<double>(i * 2654435761U % 1024U / 64U) / 8.0 - 1.0;
    return Tensor::from(values, shape, dtype, device);
}

struct Gradients {
    std::vector<double> dw, dbias;
};

/// f(dw, dbias, mode), first overwriting, then adding.
template <class F>
Gradients twice(const Shape& weight, DType dtype, DType bias_dtype, Device device, F f) {
    const Tensor dw = Tensor::empty(weight, dtype, device);
    const Tensor dbias = Tensor::empty({weight[0]}, bias_dtype, device);
    f(dw, dbias, GradMode::Overwrite);
    f(dw, dbias, GradMode::Accumulate);
    return {dw.to_vector(), dbias.to_vector()};
}

/// run(device, dtype, dw, dbias, mode) on the CUDA device in all combinations of dtypes, and on the
/// reference in F64.
template <class F>
void check(const Shape& weight, F run) {
    const auto on = [&](Device device, DType dtype, DType of_weight, DType of_bias) {
        return twice(weight, of_weight, of_bias, device,
                     [&](const Tensor& dw, const Tensor& dbias, GradMode mode) {
                         run(device, dtype, dw, dbias, mode);
                     });
    };
    const Gradients exact = on(Device::reference(), DType::F64, DType::F64, DType::F64);
    for (const DType dtype : {DType::F32, DType::BF16})
        for (const DType of_weight : {DType::F32, DType::BF16}) {
            if (dtype == DType::F32 && of_weight == DType::BF16) continue;
            INFO(name_of(dtype) << " to " << name_of(of_weight));
            const Gradients got = on(Device::cuda(), dtype, of_weight, DType::F32);
            const double rounding = of_weight == DType::F32 ? 0x1p-20 : 0x1p-7;
            CHECK(distance(got.dw, exact.dw) <= rounding * largest(exact.dw));
            CHECK(distance(got.dbias, exact.dbias) <= 0x1p-20 * largest(exact.dbias));
        }
}

}  // namespace

TEST_CASE("a linear layer's gradients of weight and bias over many rows", "[cuda]") {
    for (const Shape& weight : {Shape{24, 16}, Shape{9, 7}, Shape{130, 136}})
        check(weight, [&](Device device, DType dtype, const Tensor& dw, const Tensor& dbias,
                          GradMode mode) {
            const Tensor dy = numbers({5000, weight[0]}, dtype, device);
            const Tensor x = numbers({5000, weight[1]}, dtype, device);
            kernels::linear_backward_weight(dy.stream(), dw.view(), dbias.view(), dy, x, mode);
        });
}

TEST_CASE("a convolution's gradients of weight and bias over many pixels", "[cuda]") {
    for (const std::int64_t groups : {1, 2})
        for (const std::int64_t channels : {6, 16}) {
            const ConvParams params = {{1, 1}, {1, 1}, {1, 1}, groups};
            check({2 * channels, 3, 3, channels / groups},
                  [&](Device device, DType dtype, const Tensor& dw, const Tensor& dbias,
                      GradMode mode) {
                      const Tensor dy = numbers({1, 70, 65, 2 * channels}, dtype, device);
                      const Tensor x = numbers({1, 70, 65, channels}, dtype, device);
                      kernels::conv2d_backward_weight(dy.stream(), dw.view(), dbias.view(), dy, x,
                                                      params, mode);
                  });
        }
}
