// The fragments of <mma.h>: every operand type, shape and storage order.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

#include "tests/cudaemu/cases/case.h"

namespace wmma = nvcuda::wmma;
using Half = __half;
using Bf16 = __nv_bfloat16;

template <class T>
std::vector<T> converted(const std::vector<float>& v) {
    return std::vector<T>(v.begin(), v.end());
}

// One warp, one M x N tile: C = 2 A B, with A and B row-major, A read through shared memory.
template <int M, int N, int K, class T, class Sum>
__global__ void multiply(const T* A, const T* B, Sum* C) {
    wmma::fragment<wmma::matrix_a, M, N, K, T, wmma::row_major> a;
    wmma::fragment<wmma::matrix_b, M, N, K, T, wmma::row_major> b;
    wmma::fragment<wmma::accumulator, M, N, K, Sum> c;
    __shared__ __align__(32) T tile[M * K];
    for (int i = threadIdx.x; i < M * K; i += 32) tile[i] = A[i];
    __syncwarp();
    wmma::fill_fragment(c, Sum(0));
    wmma::load_matrix_sync(a, tile, K);
    wmma::load_matrix_sync(b, B, N);
    wmma::mma_sync(c, a, b, c);
    for (int i = 0; i < c.num_elements; i++) c.x[i] *= 2;
    wmma::store_matrix_sync(C, c, N, wmma::mem_row_major);
}

template <int M, int N, int K, class T, class Sum>
void check(float tolerance, float low = -1, float high = 1) {
    auto a = converted<T>(random_values(M * K, 1, low, high));
    auto b = converted<T>(random_values(K * N, 2, low, high));
    DeviceArray<T> A(a), B(b);
    DeviceArray<Sum> C(M * N);
    multiply<M, N, K, T, Sum><<<1, 32>>>(A, B, C);
    auto c = C.get();
    auto expected = product(a, b, M, N, K);
    for (float& x : expected) x *= 2;
    EXPECT(near(std::vector<float>(c.begin(), c.end()), expected, tolerance));
}

CASE(f16) { check<16, 16, 16, Half, float>(1e-5f); }
CASE(bf16) { check<16, 16, 16, Bf16, float>(1e-5f); }
CASE(f16_wide) { check<8, 32, 16, Half, float>(1e-5f); }
CASE(f16_tall) { check<32, 8, 16, Half, float>(1e-5f); }
CASE(bf16_wide) { check<8, 32, 16, Bf16, float>(1e-5f); }
CASE(bf16_tall) { check<32, 8, 16, Bf16, float>(1e-5f); }
CASE(f64) { check<8, 8, 4, double, double>(1e-6f); }
CASE(s8) { check<16, 16, 16, signed char, int>(0.f, -100, 100); }
CASE(u8_wide) { check<8, 32, 16, unsigned char, int>(0.f, 0, 255); }
CASE(s8_tall) { check<32, 8, 16, signed char, int>(0.f, -100, 100); }

// Columns: B is stored by columns, and so is C; several tiles along k, more columns than one tile.
template <class T>
__global__ void multiply_columns(const T* A, const T* B, float* C, int M, int K) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, T, wmma::row_major> a;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, T, wmma::col_major> b;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> c;
    wmma::fill_fragment(c, 0.f);
    for (int k = 0; k < K; k += 16) {
        wmma::load_matrix_sync(a, A + blockIdx.y * 16 * K + k, K);
        wmma::load_matrix_sync(b, B + blockIdx.x * 16 * K + k, K);
        wmma::mma_sync(c, a, b, c);
    }
    wmma::store_matrix_sync(C + blockIdx.x * 16 * M + blockIdx.y * 16, c, M, wmma::mem_col_major);
}

template <class T>
void check_columns() {
    const int M = 32, N = 48, K = 64;
    auto a = converted<T>(random_values(M * K, 1)), b = converted<T>(random_values(K * N, 2));
    std::vector<T> columns(b.size());
    for (int k = 0; k < K; k++)
        for (int j = 0; j < N; j++) columns[j * K + k] = b[k * N + j];
    DeviceArray<T> A(a), B(columns);
    DeviceArray<float> C(M * N);
    multiply_columns<T><<<dim3(N / 16, M / 16), 32>>>(A.p, B.p, C.p, M, K);
    auto c = C.get();
    std::vector<float> rows(c.size());
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) rows[i * N + j] = c[j * M + i];
    EXPECT(near(rows, product(a, b, M, N, K), 1e-4f));
}

CASE(f16_columns) { check_columns<Half>(); }
CASE(bf16_columns) { check_columns<Bf16>(); }

__global__ void multiply_tf32(const float* A, const float* B, float* C) {
    wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> a;
    wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major> b;
    wmma::fragment<wmma::accumulator, 16, 16, 8, float> c;
    wmma::fill_fragment(c, 0.f);
    wmma::load_matrix_sync(a, A, 8);
    wmma::load_matrix_sync(b, B, 16);
    for (int i = 0; i < a.num_elements; i++) a.x[i] = wmma::__float_to_tf32(a.x[i]);
    for (int i = 0; i < b.num_elements; i++) b.x[i] = wmma::__float_to_tf32(b.x[i]);
    wmma::mma_sync(c, a, b, c);
    wmma::store_matrix_sync(C, c, 16, wmma::mem_row_major);
}

CASE(tf32) {
    auto a = random_values(16 * 8, 5), b = random_values(8 * 16, 6);
    DeviceArray<float> A(a), B(b), C(16 * 16);
    multiply_tf32<<<1, 32>>>(A, B, C);
    EXPECT(near(C.get(), product(a, b, 16, 16, 8), 3e-3f));
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
