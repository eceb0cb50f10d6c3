// Matrix products by NVIDIA's cuBLASLt: compute in F32 (TF32 only where gpu::tf32_allowed), sums of
// parts of k in F32, algorithm by the library's heuristic, asked once a shape.
//
// The library is column-major: our row-major c [M,N] is its column-major [N,M], so it multiplies
// c^T = b^T a^T: its first operand is b, its second a, its rows are our columns. Its epilogues then fit:
//   BIAS adds a vector along its rows: our bias [N].          GELU is the tanh form.
//   DGELU multiplies by the slope of that GELU at an `auxiliary' matrix of c's type: our pre.
//   BGRADB sums its second operand over k: the bias gradient, from the a = dy^T that is read anyway.
// It wants bias vectors of c's type, 16-byte aligned; others are copied first. What it has no epilogue
// for, a second kernel does; a BF16 result is then rounded before and after f, or f'.
#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <optional>

#include "kernels/cuda/check.h"
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/workspace.h"
#include "kernels/include/gpu.h"
#include "kernels/include/reduce.h"

namespace fovea::kernels::cuda {
namespace {

using Index = std::int64_t;

constexpr std::size_t kWorkspaceBytes = std::size_t{32}
                                        << 20;  // what the library asks for on Hopper

void check_cublas(cublasStatus_t status, const char* expression, int line) {
    if (status != CUBLAS_STATUS_SUCCESS)
        fail(expression, __FILE__, line, cublasLtGetStatusString(status));
}
#define CHECK_CUBLAS(expression) check_cublas((expression), #expression, __LINE__)

cudaDataType_t library_type(DType t) { return t == DType::BF16 ? CUDA_R_16BF : CUDA_R_32F; }

/// The library's handle for a device, kept until the process ends: at exit CUDA may be gone already.
cublasLtHandle_t handle_of(int device) {
    static std::map<int, cublasLtHandle_t> handles;
    const auto [at, fresh] = handles.try_emplace(device, nullptr);
    if (fresh) CHECK_CUBLAS(cublasLtCreate(&at->second));
    return at->second;
}

/// How a matrix lies in memory: `lines` dense runs of `length` elements.
struct MatrixLayout {
    Index lines, length, stride, batch_stride;

    MatrixLayout(Index rows, Index columns, Index line_stride, Index batch_step, bool transposed)
        : lines(transposed ? columns : rows), length(transposed ? rows : columns),
          stride(lines <= 1 ? std::max(line_stride, length) : line_stride),
          batch_stride(batch_step) {}

    bool fits() const { return stride >= length; }

    cublasLtMatrixLayoutOpaque_t of(DType dtype, Index batches) const {
        cublasLtMatrixLayoutOpaque_t out;
        CHECK_CUBLAS(cublasLtMatrixLayoutInit(&out, library_type(dtype),
                                              static_cast<std::uint64_t>(length),
                                              static_cast<std::uint64_t>(lines), stride));
        const auto count = static_cast<std::int32_t>(batches);
        const auto set = [&](cublasLtMatrixLayoutAttribute_t what, const auto& value) {
            CHECK_CUBLAS(cublasLtMatrixLayoutSetAttribute(&out, what, &value, sizeof(value)));
        };
        set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, count);
        set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, batch_stride);
        return out;
    }
};

template <class T>
void set(cublasLtMatmulDescOpaque_t& desc, cublasLtMatmulDescAttributes_t what, const T& value) {
    CHECK_CUBLAS(cublasLtMatmulDescSetAttribute(&desc, what, &value, sizeof(value)));
}
template <class T>
void set(cublasLtMatmulPreferenceOpaque_t& preference, cublasLtMatmulPreferenceAttributes_t what,
         const T& value) {
    CHECK_CUBLAS(cublasLtMatmulPreferenceSetAttribute(&preference, what, &value, sizeof(value)));
}

/// The power of two, at most 256, that an address is a multiple of.
std::uint32_t alignment_of(const void* p) {
    const auto address = reinterpret_cast<std::uintptr_t>(p) | 256;
    return static_cast<std::uint32_t>(address & (~address + 1));
}

bool accumulates_sums(const GemmProblem& p) { return p.row_sums != nullptr && p.accumulate; }
bool aligned_sums(const GemmProblem& p) { return alignment_of(p.row_sums) >= 16; }

/// Does the library take pre as it is? It wants rows of whole 16 bytes in BF16.
bool aligned_pre(const GemmProblem& p) {
    return p.c_row_stride % 8 == 0 && alignment_of(p.pre) >= 16;
}

/// Applied to a sum that was stored, would f magnify its rounding?
bool magnifies(Unary f) {
    return f == Unary::Exp || f == Unary::Log || f == Unary::Sqrt || f == Unary::Square;
}

/// The epilogue that does most of the problem's work, and the one that does least.
cublasLtEpilogue_t wished_epilogue(const GemmProblem& p) {
    if (p.row_sums != nullptr && !accumulates_sums(p) && aligned_sums(p))
        return CUBLASLT_EPILOGUE_BGRADB;
    // The library's GELU may take tanh from the hardware: good enough for BF16 only.
    const bool gelu = p.f == Unary::GeluTanh && p.out == DType::BF16;
    if (p.pre != nullptr)
        return gelu && aligned_pre(p) ? CUBLASLT_EPILOGUE_DGELU : CUBLASLT_EPILOGUE_DEFAULT;
    if (p.bias != nullptr) return gelu ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
    return gelu ? CUBLASLT_EPILOGUE_GELU : CUBLASLT_EPILOGUE_DEFAULT;
}
cublasLtEpilogue_t plain_epilogue(const GemmProblem& p) {
    return p.bias != nullptr ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}

/// All that cublasLtMatmul wants to know of a shape.
struct Plan {
    cublasLtHandle_t handle;
    cublasLtMatmulDescOpaque_t desc;
    cublasLtMatrixLayoutOpaque_t a, b, c;
    cublasLtMatmulAlgo_t algorithm;
    std::size_t workspace_bytes;
    cublasLtEpilogue_t epilogue;

    bool sums_rows() const { return epilogue == CUBLASLT_EPILOGUE_BGRADB; }
    bool takes_pre() const { return epilogue == CUBLASLT_EPILOGUE_DGELU; }
    bool applies_f() const {
        return epilogue == CUBLASLT_EPILOGUE_GELU || epilogue == CUBLASLT_EPILOGUE_GELU_BIAS ||
               takes_pre();
    }
};

std::optional<Plan> make_plan(cublasLtHandle_t handle, const GemmProblem& p,
                              cublasLtEpilogue_t epilogue) {
    const MatrixLayout a(p.M, p.K, p.a.row_stride, p.a.batch_stride, p.a.transposed);
    const MatrixLayout b(p.K, p.N, p.b.row_stride, p.b.batch_stride, p.b.transposed);
    const MatrixLayout c(p.M, p.N, p.c_row_stride, p.c_batch_stride, false);
    if (!a.fits() || !b.fits() || !c.fits()) return std::nullopt;

    Plan plan = {};
    plan.handle = handle;
    plan.epilogue = epilogue;
    plan.a = a.of(p.in, p.B);
    plan.b = b.of(p.in, p.B);
    plan.c = c.of(p.out, p.B);
    const bool tf32 = p.in == DType::F32 && gpu::tf32_allowed();
    CHECK_CUBLAS(cublasLtMatmulDescInit(
        &plan.desc, tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(plan.desc, CUBLASLT_MATMUL_DESC_TRANSA, p.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(plan.desc, CUBLASLT_MATMUL_DESC_TRANSB, p.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(plan.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (p.bias != nullptr || plan.sums_rows()) {
        set(plan.desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE,
            plan.sums_rows() ? CUDA_R_32F : library_type(p.out));
        const void* any = p.c;  // the heuristic wants to see a pointer; every call sets its own
        set(plan.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, any);
    }
    if (plan.takes_pre()) {  // of c's type, unless told otherwise
        set(plan.desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, p.c_row_stride);
        set(plan.desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, p.pre);
    }

    cublasLtMatmulPreferenceOpaque_t preference;
    CHECK_CUBLAS(cublasLtMatmulPreferenceInit(&preference));
    set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspaceBytes});
    const std::uint32_t sums_in_f32 = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, sums_in_f32);
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.b.data));
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.a.data));
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(p.c));
    set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(p.c));

    cublasLtMatmulHeuristicResult_t best = {};
    int found = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        handle, &plan.desc, &plan.b, &plan.a, &plan.c, &plan.c, &preference, 1, &best, &found);
    if (status != CUBLAS_STATUS_SUCCESS || found == 0) return std::nullopt;
    plan.algorithm = best.algo;
    plan.workspace_bytes = best.workspaceSize;
    return plan;
}

/// The plan for a problem's shape, types, strides, alignments and epilogue; made once.
std::optional<Plan> plan_for(int device, const GemmProblem& p) {
    using Key = std::array<Index, 21>;
    static std::mutex mutex;
    static std::map<Key, std::optional<Plan>> plans;
    const cublasLtEpilogue_t wished = wished_epilogue(p), plain = plain_epilogue(p);
    const Key key = {device,
                     p.B,
                     p.M,
                     p.N,
                     p.K,
                     p.a.row_stride,
                     p.a.batch_stride,
                     p.a.transposed,
                     p.b.row_stride,
                     p.b.batch_stride,
                     p.b.transposed,
                     p.c_row_stride,
                     p.c_batch_stride,
                     static_cast<Index>(p.in),
                     static_cast<Index>(p.out),
                     p.accumulate,
                     wished,
                     gpu::tf32_allowed(),
                     alignment_of(p.a.data),
                     alignment_of(p.b.data),
                     alignment_of(p.c)};
    const std::lock_guard lock(mutex);
    const auto [at, fresh] = plans.try_emplace(key);
    if (fresh) {
        const cublasLtHandle_t handle = handle_of(device);
        at->second = make_plan(handle, p, wished);
        if (!at->second && plain != wished) at->second = make_plan(handle, p, plain);
    }
    return at->second;
}

View dense_view(void* data, const Shape& shape, DType dtype) {
    return {{data, shape, contiguous_strides(shape), dtype}};
}

}  // namespace

bool gemm_cublaslt(const Stream& stream, const GemmProblem& p) {
    if (p.K == 0) return false;
    if (p.pre != nullptr && p.accumulate) return false;  // it would multiply what was there, too
    if (p.pre == nullptr && p.out == DType::BF16 && magnifies(p.f)) return false;
    std::optional<Plan> plan = plan_for(stream.device.index, p);
    if (!plan) return false;

    const std::size_t reserved = (plan->workspace_bytes + 255) / 256 * 256;
    const std::size_t bias_bytes = static_cast<std::size_t>(p.N) * size_of(p.out);
    const bool copies_bias =
        p.bias != nullptr && (p.out != DType::F32 || alignment_of(p.bias) < 16);
    auto* const scratch =
        static_cast<std::byte*>(workspace(stream, reserved + (copies_bias ? bias_bytes : 0)));

    const void* bias = p.bias;
    if (copies_bias) {
        const Shape shape = {p.N};
        copy(stream, dense_view(scratch + reserved, shape, p.out),
             CView(p.bias, shape, contiguous_strides(shape), DType::F32));
        bias = scratch + reserved;
    }
    if (p.bias != nullptr) set(plan->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    if (plan->sums_rows()) set(plan->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.row_sums);
    if (plan->takes_pre()) set(plan->desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, p.pre);

    const float beta = p.accumulate ? 1.0F : 0.0F;
    CHECK_CUBLAS(cublasLtMatmul(plan->handle, &plan->desc, &p.alpha, p.b.data, &plan->b, p.a.data,
                                &plan->a, &beta, p.c, &plan->c, p.c, &plan->c, &plan->algorithm,
                                scratch, plan->workspace_bytes,
                                static_cast<cudaStream_t>(stream.handle)));

    if (p.f != Unary::Identity && !plan->applies_f()) {
        const Shape all = {p.B * p.M * p.N};
        const View c = dense_view(p.c, all, p.out);
        if (p.pre == nullptr) {
            unary_forward(stream, c, c, p.f);
        } else {
            const CView pre(p.pre, all, contiguous_strides(all), p.out);
            unary_backward(stream, c, c, pre, p.f, GradMode::Overwrite);
        }
    }
    if (p.row_sums != nullptr && !plan->sums_rows()) {
        // a [M,K] is stored as K rows of M.
        const CView dy(p.a.data, {p.K, p.M}, {p.a.row_stride, 1}, p.in);
        reduce_sum(stream, dense_view(p.row_sums, {1, p.M}, DType::F32), dy, 1.0,
                   p.accumulate ? GradMode::Accumulate : GradMode::Overwrite);
    }
    return true;
}

}  // namespace fovea::kernels::cuda
