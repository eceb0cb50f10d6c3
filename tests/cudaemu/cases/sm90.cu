// What sm_90 adds: mbarriers, bulk copies, clusters, stmatrix, elect, fp8 and larger f64 tensor
// products.
#include <cooperative_groups.h>
#include <cuda_fp8.h>

#include "tests/cudaemu/cases/case.h"

namespace cg = cooperative_groups;

__device__ unsigned shared_address(const void* p) {
    return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

// ---- mbarriers ----------------------------------------------------------------------------------

__device__ void init(uint64_t* barrier, int count) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count));
}
__device__ void arrive(uint64_t* barrier) {
    asm volatile("{.reg .b64 t; mbarrier.arrive.shared.b64 t, [%0];}" ::"r"(shared_address(barrier))
                 : "memory");
}
__device__ void wait(uint64_t* barrier, int phase) {
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared.b64 p, [%0], %1;\n"
        "@p bra done;\n"
        "bra again;\n"
        "done:\n"
        "}" ::"r"(shared_address(barrier)),
        "r"(phase)
        : "memory");
}

__global__ void copy_in_bulk(const float* a, float* out, int tiles) {
    __shared__ __align__(128) float s[2][256];
    __shared__ __align__(8) uint64_t full[2];
    if (threadIdx.x == 0) {
        init(&full[0], 1);
        init(&full[1], 1);
        asm volatile("fence.proxy.async;");
    }
    __syncthreads();
    auto load = [&](int t) {
        asm volatile(
            "mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(shared_address(&full[t & 1])),
            "r"(1024));
        asm volatile(
            "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, "
            "[%3];" ::"r"(shared_address(s[t & 1])),
            "l"(a + t * 256), "r"(1024), "r"(shared_address(&full[t & 1]))
            : "memory");
    };
    if (threadIdx.x == 0) load(0);
    for (int t = 0; t < tiles; t++) {
        if (threadIdx.x == 0 && t + 1 < tiles) load(t + 1);
        wait(&full[t & 1], t >> 1 & 1);
        out[t * 256 + threadIdx.x] = s[t & 1][255 - threadIdx.x] * 2;
        __syncthreads();
    }
}

CASE(bulk_copies) {
    const int tiles = 7;
    auto a = random_values(tiles * 256);
    DeviceArray<float> A(a), out(tiles * 256);
    copy_in_bulk<<<1, 256>>>(A, out, tiles);
    auto o = out.get();
    for (int t = 0; t < tiles; t++)
        for (int i = 0; i < 256; i++) EXPECT(o[t * 256 + i] == 2 * a[t * 256 + 255 - i]);
}

// Warp 0 fills two buffers in turn, warp 1 empties them.
__global__ void pass_on(const int* a, int* out, int n) {
    __shared__ int buffer[2][32];
    __shared__ __align__(8) uint64_t full[2], empty[2];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (threadIdx.x == 0)
        for (int i = 0; i < 2; i++) {
            init(&full[i], 32);
            init(&empty[i], 32);
        }
    __syncthreads();
    for (int k = 0; k < n; k++) {
        const int s = k & 1, phase = k >> 1 & 1;
        if (warp == 0) {
            if (k >= 2) wait(&empty[s], phase ^ 1);
            buffer[s][lane] = a[k * 32 + lane];
            arrive(&full[s]);
        } else {
            wait(&full[s], phase);
            out[k * 32 + lane] = buffer[s][31 - lane];
            arrive(&empty[s]);
        }
    }
}

CASE(producer_and_consumer) {
    const int n = 9;
    std::vector<int> a(n * 32);
    for (int i = 0; i < n * 32; i++) a[i] = i * 3;
    DeviceArray<int> A(a), out(n * 32);
    pass_on<<<1, 64>>>(A, out, n);
    auto o = out.get();
    for (int k = 0; k < n; k++)
        for (int i = 0; i < 32; i++) EXPECT(o[k * 32 + i] == a[k * 32 + 31 - i]);
}

// ---- clusters -----------------------------------------------------------------------------------

__global__ void __cluster_dims__(4, 1, 1) read_the_neighbour(int* out) {
    __shared__ int s[64];
    auto cluster = cg::this_cluster();
    s[threadIdx.x] = cluster.block_rank() * 1000 + threadIdx.x;
    cluster.sync();
    const int* theirs =
        cluster.map_shared_rank(s, (cluster.block_rank() + 1) % cluster.num_blocks());
    out[blockIdx.x * 64 + threadIdx.x] = theirs[threadIdx.x];
    cluster.sync();
}

CASE(distributed_shared_memory) {
    DeviceArray<int> out(8 * 64);
    read_the_neighbour<<<8, 64>>>(out);
    auto o = out.get();
    for (int b = 0; b < 8; b++)
        for (int i = 0; i < 64; i++) EXPECT(o[b * 64 + i] == (b % 4 + 1) % 4 * 1000 + i);
}

// ---- single instructions ------------------------------------------------------------------------

__global__ void store_transposed(unsigned short* out) {
    __shared__ __align__(16) unsigned short s[8][8];
    const unsigned v = threadIdx.x * 2 | (threadIdx.x * 2 + 1) << 16;
    asm volatile("stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%0], {%1};" ::"r"(
                     shared_address(&s[threadIdx.x & 7][0])),
                 "r"(v));
    __syncwarp();
    for (int i = threadIdx.x; i < 64; i += 32) out[i] = s[i / 8][i % 8];
}

CASE(stmatrix) {
    DeviceArray<unsigned short> out(64);
    store_transposed<<<1, 32>>>(out);
    auto o = out.get();
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) EXPECT(o[i * 8 + j] == j * 8 + i);
}

__global__ void elect(int* out) {
    unsigned chosen;
    asm volatile("{.reg .pred q; elect.sync _|q, 0xffffffff; selp.u32 %0, 1, 0, q;}"
                 : "=r"(chosen));
    out[threadIdx.x] = chosen;
}

CASE(elect_one_lane) {
    DeviceArray<int> out(32);
    elect<<<1, 32>>>(out);
    int sum = 0;
    for (int x : out.get()) sum += x;
    EXPECT(sum == 1);
}

// A 128-bit word is exchanged, then swapped if it is what one thinks.
__global__ void exchange_128(ulonglong2* word, ulonglong2* out) {
    asm volatile(
        "{\n"
        ".reg .b128 old, new, expected;\n"
        "mov.b128 new, {%3, %4};\n"
        "atom.global.exch.b128 old, [%2], new;\n"
        "mov.b128 {%0, %1}, old;\n"
        "}"
        : "=l"(out[0].x), "=l"(out[0].y)
        : "l"(word), "l"(3ull), "l"(4ull)
        : "memory");
    for (int k = 0; k < 2; k++)  // the first attempt expects the wrong value
        asm volatile(
            "{\n"
            ".reg .b128 old, new, expected;\n"
            "mov.b128 expected, {%3, %4};\n"
            "mov.b128 new, {%5, %6};\n"
            "atom.global.cas.b128 old, [%2], expected, new;\n"
            "mov.b128 {%0, %1}, old;\n"
            "}"
            : "=l"(out[1 + k].x), "=l"(out[1 + k].y)
            : "l"(word), "l"(3ull), "l"(3ull + k), "l"(5ull), "l"(6ull)
            : "memory");
}

CASE(atomics_of_128_bits) {
    DeviceArray<ulonglong2> word(std::vector<ulonglong2>{{1, 2}}), out(3);
    exchange_128<<<1, 1>>>(word, out);
    auto o = out.get();
    EXPECT(o[0].x == 1 && o[0].y == 2);
    EXPECT(o[1].x == 3 && o[1].y == 4);
    EXPECT(o[2].x == 3 && o[2].y == 4);
    auto w = word.get();
    EXPECT(w[0].x == 5 && w[0].y == 6);
}

// ---- tensor products ----------------------------------------------------------------------------

// A (16, 32) by rows, B (32, 8) by columns, four numbers to a word.
__global__ void multiply_fp8(const unsigned* A, const unsigned* B, float* C) {
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    float c[4] = {};
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(A[g * 8 + t]), "r"(A[(g + 8) * 8 + t]), "r"(A[g * 8 + t + 4]),
          "r"(A[(g + 8) * 8 + t + 4]), "r"(B[g * 8 + t]), "r"(B[g * 8 + t + 4]));
    for (int e = 0; e < 4; e++) C[(g + e / 2 * 8) * 8 + t * 2 + e % 2] = c[e];
}

CASE(fp8_product) {
    using Fp8 = __nv_fp8_e4m3;
    auto a = random_values(16 * 32, 1), b = random_values(32 * 8, 2);
    std::vector<Fp8> x(a.begin(), a.end()), y(b.begin(), b.end()), columns(y.size());
    for (int k = 0; k < 32; k++)
        for (int j = 0; j < 8; j++) columns[j * 32 + k] = y[k * 8 + j];
    DeviceArray<Fp8> X(x), Y(columns);
    DeviceArray<float> C(16 * 8);
    multiply_fp8<<<1, 32>>>(reinterpret_cast<const unsigned*>(X.p),
                            reinterpret_cast<const unsigned*>(Y.p), C);
    EXPECT(near(C.get(), product(x, y, 16, 8, 32), 1e-5f));
}

#define REPEAT2(X) X(0), X(1)
#define REPEAT4(X) REPEAT2(X), X(2), X(3)
#define REPEAT8(X) REPEAT4(X), X(4), X(5), X(6), X(7)
#define A_ELEMENT(i) "d"(A[(g + 8 * (i & 1)) * K + t + 4 * (i >> 1)])
#define B_ELEMENT(i) "d"(B[(t + 4 * (i)) * 8 + g])

// A (16, K), B (K, 8), row-major.
template <int K>
__global__ void multiply_f64(const double* A, const double* B, double* C) {
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    double c[4] = {};
    if constexpr (K == 4)
        asm volatile(
            "mma.sync.aligned.m16n8k4.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
            "{%0,%1,%2,%3};"
            : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
            : REPEAT2(A_ELEMENT), B_ELEMENT(0));
    if constexpr (K == 8)
        asm volatile(
            "mma.sync.aligned.m16n8k8.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
            "{%8,%9}, {%0,%1,%2,%3};"
            : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
            : REPEAT4(A_ELEMENT), REPEAT2(B_ELEMENT));
    if constexpr (K == 16)
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f64.f64.f64.f64 {%0,%1,%2,%3}, "
            "{%4,%5,%6,%7,%8,%9,%10,%11}, {%12,%13,%14,%15}, {%0,%1,%2,%3};"
            : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
            : REPEAT8(A_ELEMENT), REPEAT4(B_ELEMENT));
    for (int e = 0; e < 4; e++) C[(g + e / 2 * 8) * 8 + t * 2 + e % 2] = c[e];
}

template <int K>
void check_f64() {
    std::vector<double> a(16 * K), b(K * 8);
    for (int i = 0; i < 16 * K; i++) a[i] = std::sin(i);
    for (int i = 0; i < K * 8; i++) b[i] = std::cos(i * i);
    DeviceArray<double> A(a), B(b), C(16 * 8);
    multiply_f64<K><<<1, 32>>>(A, B, C);
    auto c = C.get();
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            double s = 0;
            for (int k = 0; k < K; k++) s += a[i * K + k] * b[k * 8 + j];
            EXPECT(std::fabs(s - c[i * 8 + j]) < 1e-12);
        }
}

CASE(f64_product_k4) { check_f64<4>(); }
CASE(f64_product_k8) { check_f64<8>(); }
CASE(f64_product_k16) { check_f64<16>(); }

int main(int argc, char** argv) { return run_cases(argc, argv); }
