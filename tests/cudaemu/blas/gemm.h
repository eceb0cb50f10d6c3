// Matrix products on the CPU, for the stand-ins of cuBLAS and cuBLASLt.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <library_types.h>

#include <cstdint>
#include <functional>

namespace fovea::cudaemu::blas {

/// A matrix in any layout: element (i, j) is the (i row_step + j col_step)-th from p.
struct Matrix {
    void* p = nullptr;
    cudaDataType type = CUDA_R_32F;
    int64_t row_step = 1, col_step = 0;

    Matrix transposed() const { return {p, type, col_step, row_step}; }
};

/// D = epilogue(alpha A B + beta C), with A (m, k) and B (k, n).
struct Product {
    int64_t m = 0, n = 0, k = 0;
    Matrix A, B, C, D;
    double alpha = 1, beta = 0;
    bool tf32 = false;  // A and B are rounded first

    int epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    void* bias = nullptr;  // (m), or the gradient that the epilogue computes
    cudaDataType bias_type = CUDA_R_32F;
    void* aux = nullptr;  // (m, n) by columns: what the epilogue keeps, or needs
    cudaDataType aux_type = CUDA_R_32F;
    int64_t aux_ld = 0;
};

// cublasLtEpilogue_t is a set of these.
enum Epilogue {
    kRelu = 2,
    kBias = 4,
    kReluSlope = 8,
    kBiasGradient = 16,
    kGelu = 32,
    kGeluSlope = 64,
    kAux = 128,
    kSumOfA = 256,
    kSumOfB = 512
};

size_t type_bytes(cudaDataType t);
bool type_supported(cudaDataType t);
double load(const void* p, cudaDataType t, int64_t i);
void store(void* p, cudaDataType t, int64_t i, double v);

/// False if a pointer is not good: the message is out then.
bool multiply(const Product& p);

/// Runs f in stream order, or records it if the stream is being captured.
cublasStatus_t submit(cudaStream_t s, const std::function<void()>& f);

}  // namespace fovea::cudaemu::blas
