// mma.sync in every format, on fragments loaded by hand from the documented layouts; ldmatrix,
// movmatrix.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "tests/cudaemu/cases/case.h"

using Half = __half;
using Bf16 = __nv_bfloat16;

// A warp of 32 lanes is 8 groups g of 4 threads t.
__device__ int group() { return threadIdx.x % 32 / 4; }
__device__ int thread() { return threadIdx.x % 4; }

// Element e of the four of a 16 x 8 accumulator.
template <class T>
__device__ void store_16x8(T* C, const T* c) {
    for (int e = 0; e < 4; e++) C[(group() + e / 2 * 8) * 8 + thread() * 2 + e % 2] = c[e];
}

template <class T>
__device__ unsigned word(const T* p) {
    return *reinterpret_cast<const unsigned*>(p);
}

template <class T>
std::vector<T> converted(const std::vector<float>& v) {
    return std::vector<T>(v.begin(), v.end());
}

// B is stored by columns in many of the layouts below.
template <class T>
std::vector<T> transposed(const std::vector<T>& a, int rows, int cols) {
    std::vector<T> b(a.size());
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) b[j * rows + i] = a[i * cols + j];
    return b;
}

// ---- a product in 16-bit formats, operands through shared memory and ldmatrix -------------------

__device__ unsigned shared_address(const void* p) {
    return static_cast<unsigned>(__cvta_generic_to_shared(p));
}
__device__ void load_matrices(unsigned* r, const void* p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(p)));
}
__device__ void load_transposed(unsigned* r, const void* p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(p)));
}

#define MMA_M16N8K16(type)                                                    \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type       \
                 ".f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};" \
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])             \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

__device__ void multiply(Half, float* c, const unsigned* a, const unsigned* b) {
    MMA_M16N8K16("f16");
}
__device__ void multiply(Bf16, float* c, const unsigned* a, const unsigned* b) {
    MMA_M16N8K16("bf16");
}

// C = A B, row-major; a block of four warps makes 64 x 64 of C, each warp 32 x 32.
template <class T>
__global__ void product_16bit(const T* A, const T* B, float* C, int N, int K) {
    __shared__ __align__(16) T a_tile[64][40], b_tile[32][72];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int wm = warp / 2 * 32, wn = warp % 2 * 32, m0 = blockIdx.y * 64, n0 = blockIdx.x * 64;
    float c[2][4][4] = {};
    for (int k0 = 0; k0 < K; k0 += 32) {
        for (int i = threadIdx.x; i < 64 * 4; i += 128)
            *reinterpret_cast<uint4*>(&a_tile[i / 4][i % 4 * 8]) =
                *reinterpret_cast<const uint4*>(&A[(m0 + i / 4) * K + k0 + i % 4 * 8]);
        for (int i = threadIdx.x; i < 32 * 8; i += 128)
            *reinterpret_cast<uint4*>(&b_tile[i / 8][i % 8 * 8]) =
                *reinterpret_cast<const uint4*>(&B[(k0 + i / 8) * N + n0 + i % 8 * 8]);
        __syncthreads();
        for (int k = 0; k < 32; k += 16) {
            unsigned a[2][4], b[2][4];
            for (int i = 0; i < 2; i++) {
                load_matrices(a[i], &a_tile[wm + i * 16 + lane % 16][k + lane / 16 * 8]);
                load_transposed(b[i], &b_tile[k + lane % 16][wn + i * 16 + lane / 16 * 8]);
            }
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 4; j++) multiply(T(), c[i][j], a[i], &b[j / 2][j % 2 * 2]);
        }
        __syncthreads();
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int e = 0; e < 4; e++)
                C[(m0 + wm + i * 16 + lane / 4 + e / 2 * 8) * N + n0 + wn + j * 8 + lane % 4 * 2 +
                  e % 2] = c[i][j][e];
}

template <class T>
void check_product_16bit() {
    const int M = 128, N = 192, K = 96;
    auto a = converted<T>(random_values(M * K, 1)), b = converted<T>(random_values(K * N, 2));
    DeviceArray<T> A(a), B(b);
    DeviceArray<float> C(M * N);
    product_16bit<T><<<dim3(N / 64, M / 64), 128>>>(A, B, C, N, K);
    EXPECT(near(C.get(), product(a, b, M, N, K), 1e-4f));
}

CASE(f16_product_by_ldmatrix) { check_product_16bit<Half>(); }
CASE(bf16_product_by_ldmatrix) { check_product_16bit<Bf16>(); }

__global__ void multiply_f16_into_f16(const Half* A, const Half* B, Half* C) {
    const int g = group(), t = thread();
    unsigned c0 = 0, c1 = 0;
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3}, {%4}, {%0,%1};"
                 : "+r"(c0), "+r"(c1)
                 : "r"(word(&A[g * 8 + t * 2])), "r"(word(&A[(g + 8) * 8 + t * 2])),
                   "r"(word(&B[g * 8 + t * 2])));
    *reinterpret_cast<unsigned*>(&C[g * 8 + t * 2]) = c0;
    *reinterpret_cast<unsigned*>(&C[(g + 8) * 8 + t * 2]) = c1;
}

CASE(f16_accumulators) {
    auto a = converted<Half>(random_values(16 * 8, 5)),
         b = converted<Half>(random_values(8 * 8, 6));
    DeviceArray<Half> A(a), B(transposed(b, 8, 8)), C(16 * 8);
    multiply_f16_into_f16<<<1, 32>>>(A, B, C);
    auto c = C.get();
    EXPECT(near(std::vector<float>(c.begin(), c.end()), product(a, b, 16, 8, 8), 2e-3f));
}

// ---- tf32 and f64 -------------------------------------------------------------------------------

__global__ void multiply_tf32(const float* A, const float* B, float* C) {
    const int g = group(), t = thread();
    const float x[4] = {A[g * 8 + t], A[(g + 8) * 8 + t], A[g * 8 + t + 4], A[(g + 8) * 8 + t + 4]};
    const float y[2] = {B[t * 8 + g], B[(t + 4) * 8 + g]};
    unsigned a[4], b[2];
    for (int i = 0; i < 4; i++) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(a[i]) : "f"(x[i]));
    for (int i = 0; i < 2; i++) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(b[i]) : "f"(y[i]));
    float c[4] = {};
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    store_16x8(C, c);
}

CASE(tf32) {
    auto a = random_values(16 * 8, 5), b = random_values(8 * 8, 6);
    DeviceArray<float> A(a), B(b), C(16 * 8);
    multiply_tf32<<<1, 32>>>(A, B, C);
    EXPECT(near(C.get(), product(a, b, 16, 8, 8), 3e-3f));
}

__global__ void multiply_f64(const double* A, const double* B, double* C) {
    const int g = group(), t = thread();
    double c0 = 0, c1 = 0;
    asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};"
                 : "+d"(c0), "+d"(c1)
                 : "d"(A[g * 4 + t]), "d"(B[t * 8 + g]));
    C[g * 8 + t * 2] = c0;
    C[g * 8 + t * 2 + 1] = c1;
}

CASE(f64) {
    std::vector<double> a(8 * 4), b(4 * 8);
    for (int i = 0; i < 32; i++) a[i] = std::sin(i), b[i] = std::cos(i * i);
    DeviceArray<double> A(a), B(b), C(8 * 8);
    multiply_f64<<<1, 32>>>(A, B, C);
    auto c = C.get();
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            double s = 0;
            for (int k = 0; k < 4; k++) s += a[i * 4 + k] * b[k * 8 + j];
            EXPECT(std::fabs(s - c[i * 8 + j]) < 1e-12);
        }
}

// ---- integers: 32 bytes, or 64 nibbles, along k -------------------------------------------------

#define MMA_INTEGER(shape_and_types)                                                  \
    asm volatile("mma.sync.aligned." shape_and_types                                  \
                 " {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"             \
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])                     \
                 : "r"(A[g * 8 + t]), "r"(A[(g + 8) * 8 + t]), "r"(A[g * 8 + t + 4]), \
                   "r"(A[(g + 8) * 8 + t + 4]), "r"(B[g * 8 + t]), "r"(B[g * 8 + t + 4]))

enum Integers { kS8, kS4, kU4 };

// A (16 rows of 8 words), B (8 columns of 8 words).
template <Integers type>
__global__ void multiply_integers(const unsigned* A, const unsigned* B, int* C) {
    const int g = group(), t = thread();
    int c[4] = {};
    if constexpr (type == kS8) MMA_INTEGER("m16n8k32.row.col.s32.s8.s8.s32");
    if constexpr (type == kS4) MMA_INTEGER("m16n8k64.row.col.s32.s4.s4.s32");
    if constexpr (type == kU4) MMA_INTEGER("m16n8k64.row.col.s32.u4.u4.s32");
    store_16x8(C, c);
}

int element(Integers type, const unsigned* row, int k) {
    if (type == kS8) return static_cast<signed char>(row[k / 4] >> 8 * (k % 4));
    const int nibble = static_cast<int>(row[k / 8] >> 4 * (k % 8) & 15);
    return type == kS4 && nibble > 7 ? nibble - 16 : nibble;
}

template <Integers type>
void check_integers() {
    std::mt19937 draw(3);
    std::vector<unsigned> a(16 * 8), b(8 * 8);
    for (unsigned& x : a) x = static_cast<unsigned>(draw());
    for (unsigned& x : b) x = static_cast<unsigned>(draw());
    DeviceArray<unsigned> A(a), B(b);
    DeviceArray<int> C(16 * 8);
    multiply_integers<type><<<1, 32>>>(A, B, C);
    auto c = C.get();
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            int s = 0;
            for (int k = 0; k < (type == kS8 ? 32 : 64); k++)
                s += element(type, &a[i * 8], k) * element(type, &b[j * 8], k);
            EXPECT(s == c[i * 8 + j]);
        }
}

CASE(s8) { check_integers<kS8>(); }
CASE(s4) { check_integers<kS4>(); }
CASE(u4) { check_integers<kU4>(); }

// ---- movmatrix ----------------------------------------------------------------------------------

__global__ void transpose_in_registers(const unsigned short* A, unsigned short* B) {
    unsigned b;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;"
                 : "=r"(b)
                 : "r"(word(&A[threadIdx.x * 2])));
    *reinterpret_cast<unsigned*>(&B[threadIdx.x * 2]) = b;
}

CASE(movmatrix) {
    std::vector<unsigned short> a(64);
    for (int i = 0; i < 64; i++) a[i] = static_cast<unsigned short>(i * 7);
    DeviceArray<unsigned short> A(a), B(64);
    transpose_in_registers<<<1, 32>>>(A, B);
    EXPECT(B.get() == transposed(a, 8, 8));
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
