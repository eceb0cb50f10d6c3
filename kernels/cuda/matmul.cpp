// kernels/include/matmul.h on CUDA: every declared kernel is one GemmProblem.
#include "kernels/include/matmul.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels/cuda/gemm.h"
#include "kernels/include/gemm_engine.h"
#include "kernels/include/reduce.h"

namespace fovea {
namespace gpu {
namespace {

GemmEngine engine_of_environment() {
    const char* value = std::getenv("FOVEA_GEMM");
    const std::string name = value == nullptr ? "auto" : value;
    if (name == "auto") return GemmEngine::Auto;
    if (name == "tiled") return GemmEngine::Tiled;
    if (name == "cublaslt") return GemmEngine::CublasLt;
    throw std::runtime_error("FOVEA_GEMM is auto, tiled or cublaslt, not " + name);
}

std::atomic<GemmEngine>& chosen_engine() {
    static std::atomic<GemmEngine> engine = engine_of_environment();
    return engine;
}

}  // namespace

void set_gemm_engine(GemmEngine engine) { chosen_engine() = engine; }
GemmEngine gemm_engine() { return chosen_engine(); }

}  // namespace gpu

namespace kernels::cuda {
namespace {

bool wanted(const View& gradient, GradMode mode) { return gradient && mode != GradMode::Ignore; }

GemmOperand operand(const CView& v, bool transposed) {
    return {v.data, v.strides[-2], v.rank() == 3 ? v.strides[0] : 0, transposed};
}

/// c (+)= op(a) op(b), all [B,rows,columns] or [rows,columns].
GemmProblem product(const View& c, const CView& a, bool transpose_a, const CView& b,
                    bool transpose_b, GradMode mode) {
    const bool batched = c.rank() == 3;
    return {.B = batched ? c.dim(0) : 1,
            .M = c.dim(-2),
            .N = c.dim(-1),
            .K = a.dim(transpose_a ? -2 : -1),
            .a = operand(a, transpose_a),
            .b = operand(b, transpose_b),
            .c = c.data,
            .c_row_stride = c.strides[-2],
            .c_batch_stride = batched ? c.strides[0] : 0,
            .in = a.dtype,
            .out = c.dtype,
            .accumulate = mode == GradMode::Accumulate};
}

void run(const Stream& stream, const GemmProblem& p) {
    if (p.B == 0 || p.M == 0 || p.N == 0) return;
    if (gpu::gemm_engine() != gpu::GemmEngine::Tiled && gemm_cublaslt(stream, p)) return;
    gemm_tiled(stream, p);
}

}  // namespace

void matmul(const Stream& stream, View c, CView a, CView b, bool transpose_a, bool transpose_b,
            double alpha, GradMode mode) {
    if (!wanted(c, mode)) return;
    GemmProblem p = product(c, a, transpose_a, b, transpose_b, mode);
    p.alpha = static_cast<float>(alpha);
    run(stream, p);
}

void linear_forward(const Stream& stream, View y, CView x, CView w, CView bias, Unary f) {
    GemmProblem p = product(y, x, false, w, true, GradMode::Overwrite);
    p.bias = bias.as<float>();
    p.f = f;
    run(stream, p);
}

void linear_backward_input(const Stream& stream, View dx, CView dy, CView w, GradMode mode) {
    if (wanted(dx, mode)) run(stream, product(dx, dy, false, w, false, mode));
}

void linear_backward_preactivation(const Stream& stream, View dpre, CView dy, CView w, CView pre,
                                   Unary f, GradMode mode) {
    if (!wanted(dpre, mode)) return;
    GemmProblem p = product(dpre, dy, false, w, false, mode);
    if (f != Unary::Identity) {
        p.pre = pre.data;
        p.f = f;
    }
    run(stream, p);
}

void linear_backward_weight(const Stream& stream, View dw, View dbias, CView dy, CView x,
                            GradMode mode) {
    if (!wanted(dw, mode) || dw.numel() == 0) {
        if (!wanted(dbias, mode)) return;
        const Shape row = {1, dbias.dim(0)};
        return reduce_sum(stream, View{{dbias.data, row, contiguous_strides(row), dbias.dtype}}, dy,
                          1.0, mode);
    }
    GemmProblem p = product(dw, dy, true, x, false, mode);
    p.row_sums = dbias.as<float>();
    run(stream, p);
}

}  // namespace kernels::cuda
}  // namespace fovea
