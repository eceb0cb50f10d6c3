// One matrix product as both engines take it (gemm_tiled.cu, gemm_cublaslt.cpp); matmul.cpp maps the
// declared kernels to it.
#pragma once

#include <cstdint>

#include "kernels/include/elementwise.h"

namespace fovea::kernels::cuda {

/// Matrices with dense rows; strides in elements. `transposed`: they are stored that way, so that the
/// first operand [M,K] is K rows of M, the second one [K,N] is N rows of K.
struct GemmOperand {
    const void* data;
    std::int64_t row_stride, batch_stride;
    bool transposed;
};

/// c [B,M,N] (+)= f(alpha a [B,M,K] b [B,K,N] + bias [N]), or, where there is a `pre`,
/// c [B,M,N] (+)= alpha a [B,M,K] b [B,K,N] * f'(pre [B,M,N]).
struct GemmProblem {
    std::int64_t B, M, N, K;
    GemmOperand a, b;
    void* c;
    std::int64_t c_row_stride, c_batch_stride;
    DType in, out;  ///< of a and b; of c: F32, or BF16 where `in` is
    float alpha = 1.0F;
    bool accumulate = false;      ///< c and row_sums are added to; bias and f are then not used
    const float* bias = nullptr;  ///< [N]; only with alpha = 1
    const void* pre = nullptr;    ///< of c's type and layout; only with alpha = 1 and without bias
    Unary f = Unary::Identity;    ///< other than Identity only where c is contiguous
    float* row_sums = nullptr;    ///< [M] (+)= sums over k of a; only with B = 1
};

/// Any problem. Sums are over k in order, in a number of parts that depends on the shape alone.
void gemm_tiled(const Stream& stream, const GemmProblem& problem);

/// False, and nothing done, where the library has no algorithm for the problem or would be less exact.
bool gemm_cublaslt(const Stream& stream, const GemmProblem& problem);

}  // namespace fovea::kernels::cuda
