// The stand-in for libcublasLt: products with epilogues.
#include <cublasLt.h>

#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "tests/cudaemu/blas/gemm.h"

using namespace fovea::cudaemu::blas;

namespace {

// ---- the opaque descriptors ---------------------------------------------------------------------

struct Layout {
    cudaDataType type;
    int order;
    uint64_t rows, cols;
    int64_t ld;
    int batch;
    int64_t stride;  // between the matrices of a batch, in elements
};
struct Description {
    int compute, pointer_mode;
    cudaDataType scale;
    cublasOperation_t op_a, op_b;
    int epilogue;
    void* bias;
    int64_t bias_stride;
    void* aux;
    int64_t aux_ld, aux_stride;
    int bias_type, aux_type;  // -1: that of D
    const float *scale_a, *scale_b;
};
static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t));
static_assert(sizeof(Description) <= sizeof(cublasLtMatmulDescOpaque_t));
static_assert(std::is_trivially_copyable_v<Layout> && std::is_trivially_copyable_v<Description>);

Layout& layout_of(cublasLtMatrixLayout_t p) { return *reinterpret_cast<Layout*>(p); }
Description& description_of(cublasLtMatmulDesc_t p) { return *reinterpret_cast<Description*>(p); }

// 64-bit fields may also be given as 32-bit integers.
template <class T>
cublasStatus_t set_field(T& field, const void* value, size_t bytes) {
    if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, uint64_t>)
        if (bytes == sizeof(int32_t)) {
            int32_t narrow;
            memcpy(&narrow, value, sizeof(narrow));
            field = static_cast<T>(narrow);
            return CUBLAS_STATUS_SUCCESS;
        }
    if (bytes < sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
    memcpy(&field, value, sizeof(T));
    return CUBLAS_STATUS_SUCCESS;
}

// ---- a call -------------------------------------------------------------------------------------

uint64_t rows(const Layout& l, cublasOperation_t op) { return op == CUBLAS_OP_N ? l.rows : l.cols; }
uint64_t cols(const Layout& l, cublasOperation_t op) { return op == CUBLAS_OP_N ? l.cols : l.rows; }

Matrix matrix(const void* p, const Layout& l, cublasOperation_t op, int i) {
    const int64_t offset = i * l.stride * static_cast<int64_t>(type_bytes(l.type));
    char* at = const_cast<char*>(static_cast<const char*>(p)) + offset;
    const bool by_rows = l.order == CUBLASLT_ORDER_ROW;
    const Matrix m{at, l.type, by_rows ? l.ld : 1, by_rows ? 1 : l.ld};
    return op == CUBLAS_OP_N ? m : m.transposed();
}

struct Call {
    Description d;
    Layout a, b, c, out;

    bool has_mask() const { return (d.epilogue & kAux) && (d.epilogue & (kRelu | kReluSlope)); }

    cublasStatus_t check() const {
        for (const Layout* l : {&a, &b, &c, &out}) {
            const bool by_rows = l->order == CUBLASLT_ORDER_ROW;
            if (!type_supported(l->type) || (l->order != CUBLASLT_ORDER_COL && !by_rows))
                return CUBLAS_STATUS_NOT_SUPPORTED;
            if (l->ld < static_cast<int64_t>(by_rows ? l->cols : l->rows))
                return CUBLAS_STATUS_INVALID_VALUE;
        }
        if (d.pointer_mode != CUBLASLT_POINTER_MODE_HOST &&
            d.pointer_mode != CUBLASLT_POINTER_MODE_DEVICE)
            return CUBLAS_STATUS_NOT_SUPPORTED;
        const uint64_t m = rows(a, d.op_a), n = cols(b, d.op_b);
        const bool fits = cols(a, d.op_a) == rows(b, d.op_b) && out.rows == m && out.cols == n &&
                          c.rows == m && c.cols == n;
        const bool aux_fits = !(d.epilogue & kAux) || d.aux_ld > 0;
        const bool mask_fits =
            !has_mask() || (d.aux_ld % 128 == 0 && d.aux_ld >= static_cast<int64_t>(m));
        const bool gelu_fits = !(d.epilogue & kAux) || has_mask() ||
                               (d.aux_ld % 8 == 0 && d.aux_ld >= static_cast<int64_t>(m) &&
                                reinterpret_cast<uintptr_t>(d.aux) % 16 == 0);
        return fits && aux_fits && mask_fits && gelu_fits ? CUBLAS_STATUS_SUCCESS
                                                          : CUBLAS_STATUS_INVALID_VALUE;
    }

    // Product i of the batch.
    Product product(int i, double alpha, double beta, const void* A, const void* B, const void* C,
                    void* D) const {
        Product p;
        p.m = static_cast<int64_t>(out.rows);
        p.n = static_cast<int64_t>(out.cols);
        p.k = static_cast<int64_t>(cols(a, d.op_a));
        p.A = matrix(A, a, d.op_a, i);
        p.B = matrix(B, b, d.op_b, i);
        p.C = matrix(C, c, CUBLAS_OP_N, i);
        p.D = matrix(D, out, CUBLAS_OP_N, i);
        p.alpha = alpha * (d.scale_a ? *d.scale_a : 1.0f) * (d.scale_b ? *d.scale_b : 1.0f);
        p.beta = beta;
        p.tf32 = d.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a.type == CUDA_R_32F;
        p.epilogue = d.epilogue;
        p.bias_type = d.bias_type >= 0 ? static_cast<cudaDataType>(d.bias_type) : out.type;
        p.bias = advanced(d.bias, i * d.bias_stride, type_bytes(p.bias_type));
        p.aux_type = d.aux_type >= 0 ? static_cast<cudaDataType>(d.aux_type) : out.type;
        p.aux = has_mask() ? advanced(d.aux, i * d.aux_stride / 8, 1)
                           : advanced(d.aux, i * d.aux_stride, type_bytes(p.aux_type));
        p.aux_ld = d.aux_ld;
        return p;
    }

private:
    static void* advanced(void* p, int64_t elements, size_t bytes) {
        return p ? static_cast<char*>(p) + elements * static_cast<int64_t>(bytes) : nullptr;
    }
};

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* h) {
    *h = reinterpret_cast<cublasLtHandle_t>(new int(0));
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t h) {
    delete reinterpret_cast<int*>(h);
    return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion() { return 130000; }
size_t cublasLtGetCudartVersion() { return 13000; }

const char* cublasLtGetStatusName(cublasStatus_t s) {
    switch (s) {
        case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
        case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
        case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
        case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
        default: return "CUBLAS_STATUS_UNKNOWN";  // we return no others
    }
}
const char* cublasLtGetStatusString(cublasStatus_t s) { return cublasLtGetStatusName(s); }

// ---- layouts ------------------------------------------------------------------------------------

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t l, size_t bytes,
                                                 cudaDataType type, uint64_t r, uint64_t c,
                                                 int64_t ld) {
    if (bytes < sizeof(Layout)) return CUBLAS_STATUS_INVALID_VALUE;
    layout_of(l) = {type, CUBLASLT_ORDER_COL, r, c, ld, 1, 0};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* l, cudaDataType type, uint64_t r,
                                          uint64_t c, int64_t ld) {
    *l = new cublasLtMatrixLayoutOpaque_t;
    return cublasLtMatrixLayoutInit_internal(*l, sizeof(**l), type, r, c, ld);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
    delete l;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t p,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* value, size_t bytes) {
    Layout& l = layout_of(p);
    switch (attribute) {
        case CUBLASLT_MATRIX_LAYOUT_TYPE: return set_field(l.type, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_ORDER: return set_field(l.order, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_ROWS: return set_field(l.rows, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_COLS: return set_field(l.cols, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_LD: return set_field(l.ld, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return set_field(l.batch, value, bytes);
        case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return set_field(l.stride, value, bytes);
        default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}

// ---- descriptions -------------------------------------------------------------------------------

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t d, size_t bytes,
                                               cublasComputeType_t compute, cudaDataType scale) {
    if (bytes < sizeof(Description)) return CUBLAS_STATUS_INVALID_VALUE;
    Description fresh{};
    fresh.compute = compute;
    fresh.scale = scale;
    fresh.pointer_mode = CUBLASLT_POINTER_MODE_HOST;
    fresh.op_a = fresh.op_b = CUBLAS_OP_N;
    fresh.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    fresh.bias_type = fresh.aux_type = -1;
    description_of(d) = fresh;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* d, cublasComputeType_t compute,
                                        cudaDataType scale) {
    *d = new cublasLtMatmulDescOpaque_t;
    return cublasLtMatmulDescInit_internal(*d, sizeof(**d), compute, scale);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
    delete d;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t p,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
    Description& d = description_of(p);
    switch (attribute) {
        case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE: return set_field(d.compute, value, bytes);
        case CUBLASLT_MATMUL_DESC_SCALE_TYPE: return set_field(d.scale, value, bytes);
        case CUBLASLT_MATMUL_DESC_POINTER_MODE: return set_field(d.pointer_mode, value, bytes);
        case CUBLASLT_MATMUL_DESC_TRANSA: return set_field(d.op_a, value, bytes);
        case CUBLASLT_MATMUL_DESC_TRANSB: return set_field(d.op_b, value, bytes);
        case CUBLASLT_MATMUL_DESC_EPILOGUE: return set_field(d.epilogue, value, bytes);
        case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return set_field(d.bias, value, bytes);
        case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE: return set_field(d.bias_stride, value, bytes);
        case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return set_field(d.bias_type, value, bytes);
        case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER: return set_field(d.aux, value, bytes);
        case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD: return set_field(d.aux_ld, value, bytes);
        case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE:
            return set_field(d.aux_stride, value, bytes);
        case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE:
            return set_field(d.aux_type, value, bytes);
        case CUBLASLT_MATMUL_DESC_A_SCALE_POINTER: return set_field(d.scale_a, value, bytes);
        case CUBLASLT_MATMUL_DESC_B_SCALE_POINTER: return set_field(d.scale_b, value, bytes);
        case CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET:
        case CUBLASLT_MATMUL_DESC_FAST_ACCUM: return CUBLAS_STATUS_SUCCESS;  // speed alone
        default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}

// ---- preferences: there is one algorithm --------------------------------------------------------

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t p, size_t bytes) {
    memset(static_cast<void*>(p), 0, bytes);
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* p) {
    *p = new cublasLtMatmulPreferenceOpaque_t();
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
    delete p;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                    cublasLtMatmulPreferenceAttributes_t,
                                                    const void*, size_t) {
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t out,
                                              cublasLtMatmulPreference_t, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results,
                                              int* count) {
    *count = 0;
    const Call call{description_of(d), layout_of(a), layout_of(b), layout_of(c), layout_of(out)};
    const cublasStatus_t status = call.check();
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    if (wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
    memset(static_cast<void*>(results), 0, sizeof(*results));
    results->state = CUBLAS_STATUS_SUCCESS;
    results->wavesCount = 1;
    *count = 1;
    return CUBLAS_STATUS_SUCCESS;
}

// Scalars on the host are read now, those on the device when the work runs.
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t d, const void* alpha,
                              const void* A, cublasLtMatrixLayout_t a, const void* B,
                              cublasLtMatrixLayout_t b, const void* beta, const void* C,
                              cublasLtMatrixLayout_t c, void* D, cublasLtMatrixLayout_t out,
                              const cublasLtMatmulAlgo_t*, void*, size_t, cudaStream_t stream) {
    const Call call{description_of(d), layout_of(a), layout_of(b), layout_of(c), layout_of(out)};
    const cublasStatus_t status = call.check();
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    const cudaDataType type = call.d.scale;
    const bool on_device = call.d.pointer_mode == CUBLASLT_POINTER_MODE_DEVICE;
    const double alpha_now = on_device ? 0 : load(alpha, type, 0),
                 beta_now = on_device ? 0 : load(beta, type, 0);
    return submit(stream, [=] {
        const double scale = on_device ? load(alpha, type, 0) : alpha_now,
                     old = on_device ? load(beta, type, 0) : beta_now;
        for (int i = 0; i < call.out.batch; i++)
            if (!multiply(call.product(i, scale, old, A, B, C, D))) abort();
    });
}

}  // extern "C"
