// The stand-in for libcublas: the products, in all their forms. Matrices are stored by columns.
#include <cublas_v2.h>

#include <cstdlib>

#include "tests/cudaemu/blas/gemm.h"

using namespace fovea::cudaemu::blas;

struct cublasContext {
    cudaStream_t stream = nullptr;
    cublasPointerMode_t mode = CUBLAS_POINTER_MODE_HOST;
    cublasMath_t math = CUBLAS_DEFAULT_MATH;
    cublasAtomicsMode_t atomics = CUBLAS_ATOMICS_NOT_ALLOWED;
};

extern "C" int cudaemu_check_range(const void* p, size_t bytes, const char* what);

namespace {

// A scalar on the host is read now, one on the device when the work runs.
class Scalar {
public:
    Scalar(cublasHandle_t h, const void* p, cudaDataType type)
        : p_(h->mode == CUBLAS_POINTER_MODE_DEVICE ? p : nullptr), type_(type) {
        if (!p_) value_ = load(p, type, 0);
    }
    double get() const { return p_ ? load(p_, type_, 0) : value_; }

private:
    const void* p_;
    cudaDataType type_;
    double value_ = 0;
};

cudaDataType scale_type(cublasComputeType_t c) {
    switch (c) {
        case CUBLAS_COMPUTE_64F:
        case CUBLAS_COMPUTE_64F_PEDANTIC: return CUDA_R_64F;
        case CUBLAS_COMPUTE_16F:
        case CUBLAS_COMPUTE_16F_PEDANTIC: return CUDA_R_16F;
        case CUBLAS_COMPUTE_32I:
        case CUBLAS_COMPUTE_32I_PEDANTIC: return CUDA_R_32I;
        default: return CUDA_R_32F;
    }
}

// A matrix of each product of a batch: at regular distances, or through an array of pointers.
struct Operand {
    const void* p = nullptr;
    cudaDataType type = CUDA_R_32F;
    int64_t ld = 0;
    int64_t stride = 0;
    const void* const* pointers = nullptr;

    Matrix of(int i, cublasOperation_t op) const {
        const char* at = pointers ? static_cast<const char*>(pointers[i])
                                  : static_cast<const char*>(p) +
                                        i * stride * static_cast<int64_t>(type_bytes(type));
        const Matrix m{const_cast<char*>(at), type, 1, ld};
        return op == CUBLAS_OP_N ? m : m.transposed();
    }
};

struct Shape {
    cublasOperation_t op_a, op_b;
    int64_t m, n, k;
};

cublasStatus_t gemm(cublasHandle_t h, const Shape& s, const void* alpha, const Operand& a,
                    const Operand& b, const void* beta, const Operand& c,
                    cublasComputeType_t compute, int count = 1) {
    if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
    const int64_t rows_a = s.op_a == CUBLAS_OP_N ? s.m : s.k,
                  rows_b = s.op_b == CUBLAS_OP_N ? s.k : s.n;
    if (s.m < 0 || s.n < 0 || s.k < 0 || count < 0 || a.ld < std::max<int64_t>(1, rows_a) ||
        b.ld < std::max<int64_t>(1, rows_b) || c.ld < std::max<int64_t>(1, s.m))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!type_supported(a.type) || !type_supported(b.type) || !type_supported(c.type))
        return CUBLAS_STATUS_NOT_SUPPORTED;
    const Scalar scale(h, alpha, scale_type(compute)), old(h, beta, scale_type(compute));
    const bool tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32 ||
                      (compute == CUBLAS_COMPUTE_32F && h->math == CUBLAS_TF32_TENSOR_OP_MATH);
    return submit(h->stream, [=] {
        for (int i = 0; i < count; i++) {
            Product p;
            p.m = s.m;
            p.n = s.n;
            p.k = s.k;
            p.A = a.of(i, s.op_a);
            p.B = b.of(i, s.op_b);
            p.C = p.D = c.of(i, CUBLAS_OP_N);
            p.alpha = scale.get();
            p.beta = old.get();
            p.tf32 = tf32 && a.type == CUDA_R_32F;
            if (!multiply(p)) abort();
        }
    });
}

template <class T>
cublasStatus_t read(T value, T* out) {
    *out = value;
    return CUBLAS_STATUS_SUCCESS;
}
template <class T>
cublasStatus_t write(T& field, T value) {
    field = value;
    return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* h) { return read(new cublasContext, h); }
cublasStatus_t cublasDestroy_v2(cublasHandle_t h) {
    delete h;
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int* v) { return read(CUBLAS_VERSION, v); }
cublasStatus_t cublasSetStream_v2(cublasHandle_t h, cudaStream_t s) { return write(h->stream, s); }
cublasStatus_t cublasGetStream_v2(cublasHandle_t h, cudaStream_t* s) { return read(h->stream, s); }
cublasStatus_t cublasSetMathMode(cublasHandle_t h, cublasMath_t m) { return write(h->math, m); }
cublasStatus_t cublasGetMathMode(cublasHandle_t h, cublasMath_t* m) { return read(h->math, m); }
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t h, cublasPointerMode_t m) {
    return write(h->mode, m);
}
cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t h, cublasPointerMode_t* m) {
    return read(h->mode, m);
}
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t h, cublasAtomicsMode_t m) {
    return write(h->atomics, m);
}
cublasStatus_t cublasGetAtomicsMode(cublasHandle_t h, cublasAtomicsMode_t* m) {
    return read(h->atomics, m);
}
cublasStatus_t cublasSetSmCountTarget(cublasHandle_t, int) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void* p, size_t bytes) {
    return cudaemu_check_range(p, bytes, "cublasSetWorkspace") ? CUBLAS_STATUS_SUCCESS
                                                               : CUBLAS_STATUS_INVALID_VALUE;
}

const char* cublasGetStatusName(cublasStatus_t s) {
    switch (s) {
        case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
        case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
        case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
        case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
        case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
        default: return "CUBLAS_STATUS_UNKNOWN";  // we return no others
    }
}
const char* cublasGetStatusString(cublasStatus_t s) { return cublasGetStatusName(s); }

cublasStatus_t cublasSgemm_v2(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m,
                              int n, int k, const float* alpha, const float* A, int lda,
                              const float* B, int ldb, const float* beta, float* C, int ldc) {
    return gemm(h, {ta, tb, m, n, k}, alpha, {A, CUDA_R_32F, lda}, {B, CUDA_R_32F, ldb}, beta,
                {C, CUDA_R_32F, ldc}, CUBLAS_COMPUTE_32F);
}
cublasStatus_t cublasDgemm_v2(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m,
                              int n, int k, const double* alpha, const double* A, int lda,
                              const double* B, int ldb, const double* beta, double* C, int ldc) {
    return gemm(h, {ta, tb, m, n, k}, alpha, {A, CUDA_R_64F, lda}, {B, CUDA_R_64F, ldb}, beta,
                {C, CUDA_R_64F, ldc}, CUBLAS_COMPUTE_64F);
}
cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t h, cublasOperation_t ta,
                                         cublasOperation_t tb, int m, int n, int k,
                                         const float* alpha, const float* A, int lda, long long sa,
                                         const float* B, int ldb, long long sb, const float* beta,
                                         float* C, int ldc, long long sc, int count) {
    return gemm(h, {ta, tb, m, n, k}, alpha, {A, CUDA_R_32F, lda, sa}, {B, CUDA_R_32F, ldb, sb},
                beta, {C, CUDA_R_32F, ldc, sc}, CUBLAS_COMPUTE_32F, count);
}
cublasStatus_t cublasGemmEx(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m,
                            int n, int k, const void* alpha, const void* A, cudaDataType at,
                            int lda, const void* B, cudaDataType bt, int ldb, const void* beta,
                            void* C, cudaDataType ct, int ldc, cublasComputeType_t compute,
                            cublasGemmAlgo_t) {
    return gemm(h, {ta, tb, m, n, k}, alpha, {A, at, lda}, {B, bt, ldb}, beta, {C, ct, ldc},
                compute);
}
cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t h, cublasOperation_t ta,
                                          cublasOperation_t tb, int m, int n, int k,
                                          const void* alpha, const void* A, cudaDataType at,
                                          int lda, long long sa, const void* B, cudaDataType bt,
                                          int ldb, long long sb, const void* beta, void* C,
                                          cudaDataType ct, int ldc, long long sc, int count,
                                          cublasComputeType_t compute, cublasGemmAlgo_t) {
    return gemm(h, {ta, tb, m, n, k}, alpha, {A, at, lda, sa}, {B, bt, ldb, sb}, beta,
                {C, ct, ldc, sc}, compute, count);
}
cublasStatus_t cublasGemmBatchedEx(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb,
                                   int m, int n, int k, const void* alpha, const void* const A[],
                                   cudaDataType at, int lda, const void* const B[], cudaDataType bt,
                                   int ldb, const void* beta, void* const C[], cudaDataType ct,
                                   int ldc, int count, cublasComputeType_t compute,
                                   cublasGemmAlgo_t) {
    return gemm(h, {ta, tb, m, n, k}, alpha, {nullptr, at, lda, 0, A}, {nullptr, bt, ldb, 0, B},
                beta, {nullptr, ct, ldc, 0, C}, compute, count);
}

}  // extern "C"
