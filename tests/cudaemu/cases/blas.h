// What the cuBLAS and cuBLASLt cases share. cuBLAS matrices are stored by columns.
#pragma once

#include <cublas_api.h>
#include <cuda_bf16.h>

#include "tests/cudaemu/cases/case.h"

#define CHECK_BLAS(call)                                                      \
    do {                                                                      \
        const cublasStatus_t status_ = (call);                                \
        if (status_ != CUBLAS_STATUS_SUCCESS) expect(false, #call, __LINE__); \
    } while (0)

/// op(A)[i, p] op(B)[p, j] summed over p, with op(A) = A^T: A (k, m), B (k, n), C (m, n), all by
/// columns.
template <class T>
std::vector<float> product_tn(const std::vector<T>& a, const std::vector<T>& b, int m, int n,
                              int k) {
    std::vector<float> c(static_cast<size_t>(m) * n);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double s = 0;
            for (int p = 0; p < k; p++)
                s += static_cast<double>(static_cast<float>(a[p + i * k])) *
                     static_cast<float>(b[p + j * k]);
            c[i + j * m] = static_cast<float>(s);
        }
    return c;
}

template <class T>
std::vector<float> as_float(const std::vector<T>& v) {
    return std::vector<float>(v.begin(), v.end());
}
