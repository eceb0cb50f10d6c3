// Stand-in for libcublas: column-major BLAS on the CPU over emulated device memory.
#include <cublas_v2.h>

#include <atomic>
#include <cmath>

#include "tests/cudaemu/blas/gemm.h"

using namespace emublas;

struct cublasContext {
    cudaStream_t stream = nullptr;
    cublasPointerMode_t mode = CUBLAS_POINTER_MODE_HOST;
    cublasMath_t math = CUBLAS_DEFAULT_MATH;
    cublasAtomicsMode_t atomics = CUBLAS_ATOMICS_NOT_ALLOWED;
};

extern "C" int cudaemu_check_range(const void* p, size_t n, const char* what);

namespace {

Mat mat(const void* p, cudaDataType t, int64_t ld, cublasOperation_t op) {
    Mat m{const_cast<void*>(p), t, 1, ld};
    if (op != CUBLAS_OP_N) std::swap(m.rs, m.cs);
    return m;
}
// Scalars: host values are read now, device values when the operation runs.
struct Scalar {
    const void* p;
    cudaDataType t;
    double v;
    bool device;
    Scalar(cublasHandle_t h, const void* q, cudaDataType ty)
        : p(q), t(ty), v(0), device(h->mode == CUBLAS_POINTER_MODE_DEVICE) {
        if (!device) v = load(q, ty, 0);
    }
    double get() const { return device ? load(p, t, 0) : v; }
};
cudaDataType scale_type(cublasComputeType_t c) {
    return c == CUBLAS_COMPUTE_64F || c == CUBLAS_COMPUTE_64F_PEDANTIC   ? CUDA_R_64F
           : c == CUBLAS_COMPUTE_16F || c == CUBLAS_COMPUTE_16F_PEDANTIC ? CUDA_R_16F
           : c == CUBLAS_COMPUTE_32I || c == CUBLAS_COMPUTE_32I_PEDANTIC ? CUDA_R_32I
                                                                         : CUDA_R_32F;
}
bool is_tf32(cublasHandle_t h, cublasComputeType_t c) {
    return c == CUBLAS_COMPUTE_32F_FAST_TF32 ||
           (c == CUBLAS_COMPUTE_32F && h->math == CUBLAS_TF32_TENSOR_OP_MATH);
}

struct Batch {
    int count = 1;
    long long sa = 0, sb = 0, sc = 0;
    const void* const* pa = nullptr;
    const void* const* pb = nullptr;
    void* const* pc = nullptr;
};

cublasStatus_t general(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int64_t m,
                       int64_t n, int64_t k, const void* alpha, const void* A, cudaDataType at,
                       int64_t lda, const void* B, cudaDataType bt, int64_t ldb, const void* beta,
                       void* C, cudaDataType ct, int64_t ldc, cublasComputeType_t comp, Batch bat) {
    if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
    if (m < 0 || n < 0 || k < 0 || bat.count < 0) return CUBLAS_STATUS_INVALID_VALUE;
    if (lda < std::max<int64_t>(1, ta == CUBLAS_OP_N ? m : k) ||
        ldb < std::max<int64_t>(1, tb == CUBLAS_OP_N ? k : n) || ldc < std::max<int64_t>(1, m))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!type_supported(at) || !type_supported(bt) || !type_supported(ct))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    Scalar sa(h, alpha, scale_type(comp)), sb(h, beta, scale_type(comp));
    bool tf = at == CUDA_R_32F && is_tf32(h, comp);
    submit(h->stream, [=] {
        for (int b = 0; b < bat.count; b++) {
            GemmArgs g;
            g.m = m, g.n = n, g.k = k;
            auto off = [&](const void* p, long long s, cudaDataType t) {
                return static_cast<const char*>(p) + s * b * (long long)type_bytes(t);
            };
            g.A = mat(bat.pa ? bat.pa[b] : off(A, bat.sa, at), at, lda, ta);
            g.B = mat(bat.pb ? bat.pb[b] : off(B, bat.sb, bt), bt, ldb, tb);
            g.C = g.D = mat(bat.pc ? bat.pc[b] : off(C, bat.sc, ct), ct, ldc, CUBLAS_OP_N);
            g.alpha = sa.get();
            g.beta = sb.get();
            g.tf32 = tf;
            if (!gemm(g)) abort();
        }
    });
    return cudaPeekAtLastError() == cudaSuccess ? CUBLAS_STATUS_SUCCESS
                                                : CUBLAS_STATUS_EXECUTION_FAILED;
}

template <class F>
cublasStatus_t vec(cublasHandle_t h, F f) {
    if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
    submit(h->stream, f);
    return CUBLAS_STATUS_SUCCESS;
}
// Reductions to a host result return after it is written.
template <class F>
cublasStatus_t reduction(cublasHandle_t h, F f) {
    cublasStatus_t s = vec(h, f);
    if (s == CUBLAS_STATUS_SUCCESS && h->mode == CUBLAS_POINTER_MODE_HOST)
        cudaStreamSynchronize(h->stream);
    return s;
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* h) {
    *h = new cublasContext;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t h) {
    delete h;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int* v) {
    *v = CUBLAS_VERSION;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t h, cudaStream_t s) {
    h->stream = s;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetStream_v2(cublasHandle_t h, cudaStream_t* s) {
    *s = h->stream;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void* p, size_t n) {
    return !n || cudaemu_check_range(p, n, "cublasSetWorkspace") ? CUBLAS_STATUS_SUCCESS
                                                                 : CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t h, cublasMath_t m) {
    h->math = m;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetMathMode(cublasHandle_t h, cublasMath_t* m) {
    *m = h->math;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t h, cublasPointerMode_t m) {
    h->mode = m;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t h, cublasPointerMode_t* m) {
    *m = h->mode;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t h, cublasAtomicsMode_t m) {
    h->atomics = m;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetAtomicsMode(cublasHandle_t h, cublasAtomicsMode_t* m) {
    *m = h->atomics;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetSmCountTarget(cublasHandle_t, int) { return CUBLAS_STATUS_SUCCESS; }

const char* cublasGetStatusName(cublasStatus_t s) {
    switch (s) {
        case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
        case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
        case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
        case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
        case CUBLAS_STATUS_ARCH_MISMATCH: return "CUBLAS_STATUS_ARCH_MISMATCH";
        case CUBLAS_STATUS_MAPPING_ERROR: return "CUBLAS_STATUS_MAPPING_ERROR";
        case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
        case CUBLAS_STATUS_INTERNAL_ERROR: return "CUBLAS_STATUS_INTERNAL_ERROR";
        case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
        case CUBLAS_STATUS_LICENSE_ERROR: return "CUBLAS_STATUS_LICENSE_ERROR";
    }
    return "CUBLAS_STATUS_UNKNOWN";
}
const char* cublasGetStatusString(cublasStatus_t s) { return cublasGetStatusName(s); }

cublasStatus_t cublasSgemm_v2(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m,
                              int n, int k, const float* al, const float* A, int lda,
                              const float* B, int ldb, const float* be, float* C, int ldc) {
    return general(h, ta, tb, m, n, k, al, A, CUDA_R_32F, lda, B, CUDA_R_32F, ldb, be, C,
                   CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F, {});
}
cublasStatus_t cublasDgemm_v2(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m,
                              int n, int k, const double* al, const double* A, int lda,
                              const double* B, int ldb, const double* be, double* C, int ldc) {
    return general(h, ta, tb, m, n, k, al, A, CUDA_R_64F, lda, B, CUDA_R_64F, ldb, be, C,
                   CUDA_R_64F, ldc, CUBLAS_COMPUTE_64F, {});
}
cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t h, cublasOperation_t ta,
                                         cublasOperation_t tb, int m, int n, int k, const float* al,
                                         const float* A, int lda, long long sa, const float* B,
                                         int ldb, long long sb, const float* be, float* C, int ldc,
                                         long long sc, int count) {
    return general(h, ta, tb, m, n, k, al, A, CUDA_R_32F, lda, B, CUDA_R_32F, ldb, be, C,
                   CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F,
                   {count, sa, sb, sc, nullptr, nullptr, nullptr});
}
cublasStatus_t cublasSgemmBatched(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb,
                                  int m, int n, int k, const float* al, const float* const A[],
                                  int lda, const float* const B[], int ldb, const float* be,
                                  float* const C[], int ldc, int count) {
    return general(h, ta, tb, m, n, k, al, nullptr, CUDA_R_32F, lda, nullptr, CUDA_R_32F, ldb, be,
                   nullptr, CUDA_R_32F, ldc, CUBLAS_COMPUTE_32F,
                   {count, 0, 0, 0, (const void* const*)A, (const void* const*)B, (void* const*)C});
}
cublasStatus_t cublasGemmEx(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m,
                            int n, int k, const void* al, const void* A, cudaDataType at, int lda,
                            const void* B, cudaDataType bt, int ldb, const void* be, void* C,
                            cudaDataType ct, int ldc, cublasComputeType_t comp, cublasGemmAlgo_t) {
    return general(h, ta, tb, m, n, k, al, A, at, lda, B, bt, ldb, be, C, ct, ldc, comp, {});
}
cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t h, cublasOperation_t ta,
                                          cublasOperation_t tb, int m, int n, int k, const void* al,
                                          const void* A, cudaDataType at, int lda, long long sa,
                                          const void* B, cudaDataType bt, int ldb, long long sb,
                                          const void* be, void* C, cudaDataType ct, int ldc,
                                          long long sc, int count, cublasComputeType_t comp,
                                          cublasGemmAlgo_t) {
    return general(h, ta, tb, m, n, k, al, A, at, lda, B, bt, ldb, be, C, ct, ldc, comp,
                   {count, sa, sb, sc, nullptr, nullptr, nullptr});
}
cublasStatus_t cublasGemmBatchedEx(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb,
                                   int m, int n, int k, const void* al, const void* const A[],
                                   cudaDataType at, int lda, const void* const B[], cudaDataType bt,
                                   int ldb, const void* be, void* const C[], cudaDataType ct,
                                   int ldc, int count, cublasComputeType_t comp, cublasGemmAlgo_t) {
    return general(h, ta, tb, m, n, k, al, nullptr, at, lda, nullptr, bt, ldb, be, nullptr, ct, ldc,
                   comp, {count, 0, 0, 0, A, B, C});
}
cublasStatus_t cublasSgemmEx(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m,
                             int n, int k, const float* al, const void* A, cudaDataType at, int lda,
                             const void* B, cudaDataType bt, int ldb, const float* be, void* C,
                             cudaDataType ct, int ldc) {
    return general(h, ta, tb, m, n, k, al, A, at, lda, B, bt, ldb, be, C, ct, ldc,
                   CUBLAS_COMPUTE_32F, {});
}
cublasStatus_t cublasSgemv_v2(cublasHandle_t h, cublasOperation_t t, int m, int n, const float* al,
                              const float* A, int lda, const float* x, int ix, const float* be,
                              float* y, int iy) {
    if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
    Scalar sa(h, al, CUDA_R_32F), sb(h, be, CUDA_R_32F);
    if (ix <= 0 || iy <= 0) return CUBLAS_STATUS_NOT_SUPPORTED;
    return vec(h, [=] {
        int rows = t == CUBLAS_OP_N ? m : n, cols = t == CUBLAS_OP_N ? n : m;
        std::vector<float> r(static_cast<size_t>(rows));
        for (int i = 0; i < rows; i++) {
            double s = 0;
            for (int j = 0; j < cols; j++)
                s += double(t == CUBLAS_OP_N ? A[i + size_t(j) * lda] : A[j + size_t(i) * lda]) *
                     x[size_t(j) * ix];
            double b = sb.get();
            r[size_t(i)] = float(sa.get() * s + (b == 0 ? 0 : b * y[size_t(i) * iy]));
        }
        for (int i = 0; i < rows; i++) y[size_t(i) * iy] = r[size_t(i)];
    });
}
cublasStatus_t cublasSaxpy_v2(cublasHandle_t h, int n, const float* al, const float* x, int ix,
                              float* y, int iy) {
    Scalar a(h, al, CUDA_R_32F);
    return vec(h, [=] {
        for (int i = 0; i < n; i++)
            y[i * iy] = __builtin_fmaf(float(a.get()), x[i * ix], y[i * iy]);
    });
}
cublasStatus_t cublasSscal_v2(cublasHandle_t h, int n, const float* al, float* x, int ix) {
    Scalar a(h, al, CUDA_R_32F);
    return vec(h, [=] {
        for (int i = 0; i < n; i++) x[i * ix] *= float(a.get());
    });
}
cublasStatus_t cublasScopy_v2(cublasHandle_t h, int n, const float* x, int ix, float* y, int iy) {
    return vec(h, [=] {
        for (int i = 0; i < n; i++) y[i * iy] = x[i * ix];
    });
}
cublasStatus_t cublasSdot_v2(cublasHandle_t h, int n, const float* x, int ix, const float* y,
                             int iy, float* r) {
    return reduction(h, [=] {
        double s = 0;
        for (int i = 0; i < n; i++) s += double(x[i * ix]) * y[i * iy];
        *r = float(s);
    });
}
cublasStatus_t cublasSnrm2_v2(cublasHandle_t h, int n, const float* x, int ix, float* r) {
    return reduction(h, [=] {
        double s = 0;
        for (int i = 0; i < n; i++) s += double(x[i * ix]) * x[i * ix];
        *r = float(std::sqrt(s));
    });
}
cublasStatus_t cublasSasum_v2(cublasHandle_t h, int n, const float* x, int ix, float* r) {
    return reduction(h, [=] {
        double s = 0;
        for (int i = 0; i < n; i++) s += std::fabs(x[i * ix]);
        *r = float(s);
    });
}
cublasStatus_t cublasSger_v2(cublasHandle_t h, int m, int n, const float* al, const float* x,
                             int ix, const float* y, int iy, float* A, int lda) {
    Scalar a(h, al, CUDA_R_32F);
    return vec(h, [=] {
        for (int j = 0; j < n; j++)
            for (int i = 0; i < m; i++)
                A[i + size_t(j) * lda] += float(a.get()) * x[i * ix] * y[j * iy];
    });
}
cublasStatus_t cublasSgeam(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m,
                           int n, const float* al, const float* A, int lda, const float* be,
                           const float* B, int ldb, float* C, int ldc) {
    Scalar sa(h, al, CUDA_R_32F), sb(h, be, CUDA_R_32F);
    return vec(h, [=] {
        float a = float(sa.get()), b = float(sb.get());
        std::vector<float> r(size_t(m) * size_t(n));
        for (int j = 0; j < n; j++)
            for (int i = 0; i < m; i++) {
                float v = 0;
                if (a != 0)
                    v += a * (ta == CUBLAS_OP_N ? A[i + size_t(j) * lda] : A[j + size_t(i) * lda]);
                if (b != 0)
                    v += b * (tb == CUBLAS_OP_N ? B[i + size_t(j) * ldb] : B[j + size_t(i) * ldb]);
                r[i + size_t(j) * size_t(m)] = v;
            }
        for (int j = 0; j < n; j++)
            for (int i = 0; i < m; i++) C[i + size_t(j) * ldc] = r[i + size_t(j) * size_t(m)];
    });
}

}  // extern "C"
