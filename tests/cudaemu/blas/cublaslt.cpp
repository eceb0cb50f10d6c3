// Stand-in for libcublasLt: matmul with epilogues.
#include <cublasLt.h>

#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

#include "tests/cudaemu/blas/gemm.h"

using namespace emublas;

namespace {

struct Layout {  // fits cublasLtMatrixLayoutOpaque_t
    int type, order;
    uint64_t rows, cols;
    int64_t ld;
    int batch;
    int64_t stride;
};
struct Desc {  // fits cublasLtMatmulDescOpaque_t
    int compute, scale, pointer_mode, ta, tb, epilogue;
    void* bias;
    int64_t bias_stride;
    void* aux;
    int64_t aux_ld, aux_stride;
    int aux_type, bias_type;
    const float *sa, *sb, *sd;
};
static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t));
static_assert(sizeof(Desc) <= sizeof(cublasLtMatmulDescOpaque_t));
Layout* L(cublasLtMatrixLayout_t p) { return reinterpret_cast<Layout*>(p); }
Desc* D(cublasLtMatmulDesc_t p) { return reinterpret_cast<Desc*>(p); }

template <class T>
cublasStatus_t put(T& field, const void* buf, size_t n) {
    if (n < sizeof(T)) {
        if constexpr (sizeof(T) == 8 && std::is_integral_v<T>)
            if (n == 4) {
                field = T(*static_cast<const int32_t*>(buf));
                return CUBLAS_STATUS_SUCCESS;
            }
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    memcpy(&field, buf, sizeof(T));
    return CUBLAS_STATUS_SUCCESS;
}

Mat mat(const void* p, const Layout& l, bool trans, int64_t b) {
    Mat m;
    m.t = cudaDataType(l.type);
    m.p = const_cast<char*>(static_cast<const char*>(p)) + b * l.stride * int64_t(type_bytes(m.t));
    m.rs = l.order == CUBLASLT_ORDER_ROW ? l.ld : 1;
    m.cs = l.order == CUBLASLT_ORDER_ROW ? 1 : l.ld;
    if (trans) std::swap(m.rs, m.cs);
    return m;
}

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
    return s == CUBLAS_STATUS_SUCCESS         ? "CUBLAS_STATUS_SUCCESS"
           : s == CUBLAS_STATUS_NOT_SUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED"
           : s == CUBLAS_STATUS_INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE"
                                              : "CUBLAS_STATUS_ERROR";
}
const char* cublasLtGetStatusString(cublasStatus_t s) { return cublasLtGetStatusName(s); }

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t l, size_t n, cudaDataType t,
                                                 uint64_t r, uint64_t c, int64_t ld) {
    if (n < sizeof(Layout)) return CUBLAS_STATUS_INVALID_VALUE;
    *L(l) = Layout{int(t), CUBLASLT_ORDER_COL, r, c, ld, 1, 0};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* l, cudaDataType t, uint64_t r,
                                          uint64_t c, int64_t ld) {
    *l = new cublasLtMatrixLayoutOpaque_t;
    return cublasLtMatrixLayoutInit_internal(*l, sizeof(**l), t, r, c, ld);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
    delete l;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t l,
                                                cublasLtMatrixLayoutAttribute_t a, const void* b,
                                                size_t n) {
    switch (a) {
        case CUBLASLT_MATRIX_LAYOUT_TYPE: return put(L(l)->type, b, n);
        case CUBLASLT_MATRIX_LAYOUT_ORDER: return put(L(l)->order, b, n);
        case CUBLASLT_MATRIX_LAYOUT_ROWS: return put(L(l)->rows, b, n);
        case CUBLASLT_MATRIX_LAYOUT_COLS: return put(L(l)->cols, b, n);
        case CUBLASLT_MATRIX_LAYOUT_LD: return put(L(l)->ld, b, n);
        case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return put(L(l)->batch, b, n);
        case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return put(L(l)->stride, b, n);
        default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t d, size_t n,
                                               cublasComputeType_t c, cudaDataType s) {
    if (n < sizeof(Desc)) return CUBLAS_STATUS_INVALID_VALUE;
    *D(d) = Desc{int(c),      int(s),      CUBLASLT_POINTER_MODE_HOST,
                 CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT,
                 nullptr,     0,           nullptr,
                 0,           0,           -1,
                 -1,          nullptr,     nullptr,
                 nullptr};
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* d, cublasComputeType_t c,
                                        cudaDataType s) {
    *d = new cublasLtMatmulDescOpaque_t;
    return cublasLtMatmulDescInit_internal(*d, sizeof(**d), c, s);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
    delete d;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t p,
                                              cublasLtMatmulDescAttributes_t a, const void* b,
                                              size_t n) {
    Desc& d = *D(p);
    switch (a) {
        case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE: return put(d.compute, b, n);
        case CUBLASLT_MATMUL_DESC_SCALE_TYPE: return put(d.scale, b, n);
        case CUBLASLT_MATMUL_DESC_POINTER_MODE: return put(d.pointer_mode, b, n);
        case CUBLASLT_MATMUL_DESC_TRANSA: return put(d.ta, b, n);
        case CUBLASLT_MATMUL_DESC_TRANSB: return put(d.tb, b, n);
        case CUBLASLT_MATMUL_DESC_EPILOGUE: return put(d.epilogue, b, n);
        case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return put(d.bias, b, n);
        case CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE: return put(d.bias_stride, b, n);
        case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER: return put(d.aux, b, n);
        case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD: return put(d.aux_ld, b, n);
        case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE: return put(d.aux_stride, b, n);
        case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE: return put(d.aux_type, b, n);
        case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: return put(d.bias_type, b, n);
        case CUBLASLT_MATMUL_DESC_A_SCALE_POINTER: return put(d.sa, b, n);
        case CUBLASLT_MATMUL_DESC_B_SCALE_POINTER: return put(d.sb, b, n);
        case CUBLASLT_MATMUL_DESC_D_SCALE_POINTER: return put(d.sd, b, n);
        case CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET:
        case CUBLASLT_MATMUL_DESC_FAST_ACCUM: return CUBLAS_STATUS_SUCCESS;
        default: return CUBLAS_STATUS_NOT_SUPPORTED;
    }
}

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t p, size_t n) {
    memset(static_cast<void*>(p), 0, n);
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

static cublasStatus_t validate(const Desc& d, const Layout& a, const Layout& b, const Layout& c,
                               const Layout& o) {
    for (const Layout* l : {&a, &b, &c, &o}) {
        if (!type_supported(cudaDataType(l->type)) ||
            (l->order != CUBLASLT_ORDER_COL && l->order != CUBLASLT_ORDER_ROW))
            return CUBLAS_STATUS_NOT_SUPPORTED;
        if (l->ld < int64_t(l->order == CUBLASLT_ORDER_COL ? l->rows : l->cols))
            return CUBLAS_STATUS_INVALID_VALUE;
    }
    uint64_t m = d.ta == CUBLAS_OP_N ? a.rows : a.cols, ka = d.ta == CUBLAS_OP_N ? a.cols : a.rows;
    uint64_t kb = d.tb == CUBLAS_OP_N ? b.rows : b.cols, n = d.tb == CUBLAS_OP_N ? b.cols : b.rows;
    if (ka != kb || o.rows != m || o.cols != n || c.rows != m || c.cols != n)
        return CUBLAS_STATUS_INVALID_VALUE;
    int e = d.epilogue;
    if ((e & 128) && !d.aux_ld) return CUBLAS_STATUS_INVALID_VALUE;
    if ((e & 128) && (e & (2 | 8)) && (d.aux_ld % 128 || d.aux_ld < int64_t(m)))
        return CUBLAS_STATUS_INVALID_VALUE;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t d,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t o,
                                              cublasLtMatmulPreference_t, int want,
                                              cublasLtMatmulHeuristicResult_t* r, int* got) {
    *got = 0;
    cublasStatus_t s = validate(*D(d), *L(a), *L(b), *L(c), *L(o));
    if (s != CUBLAS_STATUS_SUCCESS) return s;
    if (want < 1) return CUBLAS_STATUS_INVALID_VALUE;
    memset(static_cast<void*>(r), 0, sizeof(*r));
    r->state = CUBLAS_STATUS_SUCCESS;
    r->wavesCount = 1;
    *got = 1;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha,
                              const void* A, cublasLtMatrixLayout_t al, const void* B,
                              cublasLtMatrixLayout_t bl, const void* beta, const void* C,
                              cublasLtMatrixLayout_t cl, void* Dp, cublasLtMatrixLayout_t dl,
                              const cublasLtMatmulAlgo_t*, void*, size_t, cudaStream_t stream) {
    Desc d = *D(desc);
    Layout a = *L(al), b = *L(bl), c = *L(cl), o = *L(dl);
    cublasStatus_t s = validate(d, a, b, c, o);
    if (s != CUBLAS_STATUS_SUCCESS) return s;
    bool dev = d.pointer_mode == CUBLASLT_POINTER_MODE_DEVICE;
    if (!dev && d.pointer_mode != CUBLASLT_POINTER_MODE_HOST) return CUBLAS_STATUS_NOT_SUPPORTED;
    cudaDataType st = cudaDataType(d.scale);
    double av = dev ? 0 : load(alpha, st, 0), bv = dev ? 0 : load(beta, st, 0);
    submit(stream, [=] {
        for (int i = 0; i < o.batch; i++) {
            GemmArgs g;
            g.m = int64_t(o.rows);
            g.n = int64_t(o.cols);
            g.k = int64_t(d.ta == CUBLAS_OP_N ? a.cols : a.rows);
            g.A = mat(A, a, d.ta != CUBLAS_OP_N, i);
            g.B = mat(B, b, d.tb != CUBLAS_OP_N, i);
            g.C = mat(C, c, false, i);
            g.D = mat(Dp, o, false, i);
            g.alpha = dev ? load(alpha, st, 0) : av;
            g.beta = dev ? load(beta, st, 0) : bv;
            if (d.sa) g.alpha *= *d.sa;
            if (d.sb) g.alpha *= *d.sb;
            g.tf32 = d.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a.type == CUDA_R_32F;
            g.epilogue = d.epilogue;
            g.bias_t = d.bias_type >= 0 ? cudaDataType(d.bias_type) : cudaDataType(o.type);
            g.bias = d.bias ? static_cast<char*>(d.bias) +
                                  i * d.bias_stride * int64_t(type_bytes(g.bias_t))
                            : nullptr;
            g.aux_t = d.aux_type >= 0 ? cudaDataType(d.aux_type) : cudaDataType(o.type);
            bool bits = (d.epilogue & 128) && (d.epilogue & (2 | 8));
            g.aux = d.aux ? static_cast<char*>(d.aux) +
                                (bits ? i * d.aux_stride / 8
                                      : i * d.aux_stride * int64_t(type_bytes(g.aux_t)))
                          : nullptr;
            g.aux_ld = d.aux_ld;
            if (!gemm(g)) abort();
        }
    });
    return cudaPeekAtLastError() == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // extern "C"
