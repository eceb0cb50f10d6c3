// y = x between any two dtypes and for any strides, by way of double, which holds every value of every
// dtype but integers beyond 2^53. Rare: labels, pixels, checkpoints. An element at a time, in the order
// of y's memory.
#include <cuda_fp16.h>

#include "kernels/cuda/copy.h"
#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/strided.cuh"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256;

__device__ double read(DType type, const void* x, Index i) {
    switch (type) {
        case DType::F32: return static_cast<double>(static_cast<const float*>(x)[i]);
        case DType::F64: return static_cast<const double*>(x)[i];
        case DType::F16: return static_cast<double>(__half2float(static_cast<const __half*>(x)[i]));
        case DType::BF16:
            return static_cast<double>(__bfloat162float(static_cast<const BFloat16*>(x)[i]));
        case DType::I64: return static_cast<double>(static_cast<const std::int64_t*>(x)[i]);
        case DType::I32: return static_cast<double>(static_cast<const std::int32_t*>(x)[i]);
        case DType::U8: return static_cast<double>(static_cast<const std::uint8_t*>(x)[i]);
        case DType::Bool: return static_cast<const std::uint8_t*>(x)[i] != 0 ? 1.0 : 0.0;
    }
    return 0.0;
}

/// Rounds once to floats, ties to even; truncates to integers, small ones wrap around.
__device__ void write(DType type, void* y, Index i, double value) {
    switch (type) {
        case DType::F32: static_cast<float*>(y)[i] = static_cast<float>(value); return;
        case DType::F64: static_cast<double*>(y)[i] = value; return;
        case DType::F16: static_cast<__half*>(y)[i] = __double2half(value); return;
        case DType::BF16: static_cast<BFloat16*>(y)[i] = __double2bfloat16(value); return;
        case DType::Bool: static_cast<std::uint8_t*>(y)[i] = value != 0.0 ? 1 : 0; return;
        default: break;
    }
    const auto whole = static_cast<std::int64_t>(value);
    if (type == DType::I64) static_cast<std::int64_t*>(y)[i] = whole;
    if (type == DType::I32) static_cast<std::int32_t*>(y)[i] = static_cast<std::int32_t>(whole);
    if (type == DType::U8) static_cast<std::uint8_t*>(y)[i] = static_cast<std::uint8_t>(whole);
}

__global__ void __launch_bounds__(kThreads)
    convert_kernel(void* y, DType y_type, const void* x, DType x_type,
                   const __grid_constant__ Walk<2> walk, Offsets<2> start, Index items) {
    for (Index i = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; i < items;
         i += static_cast<Index>(gridDim.x) * kThreads) {
        Index at[2] = {start.at[0], start.at[1]};
        walk.add_offsets(static_cast<std::uint32_t>(i), at);
        write(y_type, y, at[0], read(x_type, x, at[1]));
    }
}

}  // namespace

void copy_converted(const Stream& stream, const CopyLoop& all, View y, CView x) {
    for_each_piece(all, [&](const CopyLoop& loop, const Offsets<2>& start) {
        const Index items = loop.shape.numel();
        launch(stream, {grid_for(items, kThreads), kThreads}, convert_kernel, y.data, y.dtype,
               x.data, x.dtype, Walk<2>(loop), start, items);
    });
}

}  // namespace fovea::kernels::cuda
