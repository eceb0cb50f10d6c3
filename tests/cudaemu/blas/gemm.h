// CPU matrix multiplication shared by the cuBLAS and cuBLASLt stand-ins.
#pragma once
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <library_types.h>

#include <cstdint>
#include <functional>

namespace emublas {

// A matrix in any layout: element (i, j) sits at p + i*rs + j*cs (in elements).
struct Mat {
    void* p = nullptr;
    cudaDataType t = CUDA_R_32F;
    int64_t rs = 1, cs = 0;
};

struct GemmArgs {
    int64_t m = 0, n = 0, k = 0;
    Mat A, B, C, D;  // A is m x k and B is k x n after transposition
    double alpha = 1, beta = 0;
    bool tf32 = false;
    int epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    void* bias = nullptr;  // also the bias-gradient output
    cudaDataType bias_t = CUDA_R_32F;
    void* aux = nullptr;
    cudaDataType aux_t = CUDA_R_32F;
    int64_t aux_ld = 0;
};

size_t type_bytes(cudaDataType t);
bool type_supported(cudaDataType t);
double load(const void* p, cudaDataType t, int64_t i);
void store(void* p, cudaDataType t, int64_t i, double v);
bool gemm(const GemmArgs& g);  // false: bad pointers (reported)

// Runs fn now in stream order, or records it as a host node of a capturing stream.
void submit(cudaStream_t s, std::function<void()> fn);

}  // namespace emublas
