// cp.async: a pipelined product, attention in the flash manner, the pipeline functions, spellings.
#include <cuda_bf16.h>
#include <cuda_pipeline.h>

#include <algorithm>

#include "tests/cudaemu/cases/case.h"

using Bf16 = __nv_bfloat16;

__device__ unsigned shared_address(const void* p) {
    return static_cast<unsigned>(__cvta_generic_to_shared(p));
}
// 16 bytes, or zeros where there is nothing to read.
__device__ void copy16(void* s, const void* g, bool inside) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(s)), "l"(g),
                 "r"(inside ? 16 : 0));
}
__device__ void commit() { asm volatile("cp.async.commit_group;"); }
template <int N>
__device__ void wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(N));
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
__device__ void multiply(float* c, const unsigned* a, unsigned b0, unsigned b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

std::vector<Bf16> random_bf16(size_t n, unsigned seed) {
    auto v = random_values(n, seed);
    return std::vector<Bf16>(v.begin(), v.end());
}

// ---- a product with three stages in flight ------------------------------------------------------

constexpr int kTile = 64, kDepth = 32, kStages = 3;

// C (M, N) = A (M, K) B (N, K)^T; any M and N, K a multiple of 8. Four warps, 64 x 64 a block.
__global__ void pipelined_product(const Bf16* A, const Bf16* B, float* C, int M, int N, int K) {
    __shared__ __align__(16) Bf16 a_tile[kStages][kTile][kDepth + 8];
    __shared__ __align__(16) Bf16 b_tile[kStages][kTile][kDepth + 8];
    const int tid = threadIdx.x, warp = tid / 32, lane = tid % 32;
    const int wm = warp / 2 * 32, wn = warp % 2 * 32;
    const int m0 = blockIdx.y * kTile, n0 = blockIdx.x * kTile;

    auto load = [&](int stage, int k0) {
        for (int i = tid; i < kTile * kDepth / 8; i += 128) {
            const int r = i / 4, c = i % 4 * 8;
            const bool in_a = m0 + r < M && k0 + c < K, in_b = n0 + r < N && k0 + c < K;
            copy16(&a_tile[stage][r][c], in_a ? &A[(m0 + r) * K + k0 + c] : A, in_a);
            copy16(&b_tile[stage][r][c], in_b ? &B[(n0 + r) * K + k0 + c] : B, in_b);
        }
    };

    float sums[2][4][4] = {};
    const int tiles = (K + kDepth - 1) / kDepth;
    for (int s = 0; s < kStages - 1; s++) {
        if (s < tiles) load(s, s * kDepth);
        commit();
    }
    for (int k = 0; k < tiles; k++) {
        wait<kStages - 2>();
        __syncthreads();
        const int next = k + kStages - 1;
        if (next < tiles) load(next % kStages, next * kDepth);
        commit();
        const int stage = k % kStages;
        for (int kk = 0; kk < kDepth; kk += 16) {
            unsigned a[2][4], b[2][4];
            for (int i = 0; i < 2; i++) {
                load_matrices(a[i], &a_tile[stage][wm + i * 16 + lane % 16][kk + lane / 16 * 8]);
                load_matrices(
                    b[i],
                    &b_tile[stage][wn + i * 16 + lane % 8 + lane / 16 * 8][kk + lane / 8 % 2 * 8]);
            }
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 4; j++)
                    multiply(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
        }
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int e = 0; e < 4; e++) {
                const int row = m0 + wm + i * 16 + lane / 4 + e / 2 * 8;
                const int col = n0 + wn + j * 8 + lane % 4 * 2 + e % 2;
                if (row < M && col < N) C[row * N + col] = sums[i][j][e];
            }
}

CASE(pipelined_product) {
    const int M = 100, N = 136, K = 88;
    auto a = random_bf16(M * K, 1), b = random_bf16(N * K, 2);
    DeviceArray<Bf16> A(a), B(b);
    DeviceArray<float> C(M * N);
    pipelined_product<<<dim3((N + 63) / 64, (M + 63) / 64), 128>>>(A, B, C, M, N, K);
    std::vector<Bf16> b_rows(b.size());
    for (int j = 0; j < N; j++)
        for (int k = 0; k < K; k++) b_rows[k * N + j] = b[j * K + k];
    EXPECT(near(C.get(), product(a, b_rows, M, N, K), 1e-4f));
}

// ---- attention ----------------------------------------------------------------------------------

// Causal attention, 64 channels, 64 queries a block (16 a warp), with an online softmax over blocks
// of 64 keys (Dao 2023). Q, K, V, O (heads, T, 64); lse (heads, T).
__global__ void attention(const Bf16* Q, const Bf16* K, const Bf16* V, Bf16* O, float* lse, int T,
                          float scale) {
    __shared__ __align__(16) Bf16 q_tile[64][72], k_tile[2][64][72], v_tile[2][64][72];
    const int tid = threadIdx.x, warp = tid / 32, lane = tid % 32, q0 = blockIdx.x * 64;
    const size_t base = size_t(blockIdx.y) * T * 64;
    constexpr float kLog2E = 1.44269504f, kLn2 = 0.69314718f;

    auto load = [&](Bf16(*tile)[72], const Bf16* g, int r0) {
        for (int i = tid; i < 512; i += 128) {
            const int r = i / 8, c = i % 8 * 8;
            copy16(&tile[r][c], g + base + size_t(r0 + r) * 64 + c, r0 + r < T);
        }
    };
    load(q_tile, Q, q0);
    load(k_tile[0], K, 0);
    load(v_tile[0], V, 0);
    commit();

    float out[8][4] = {}, maxima[2] = {-INFINITY, -INFINITY}, sums[2] = {0, 0};
    unsigned q[4][4];
    const int blocks = blockIdx.x + 1;
    for (int t = 0; t < blocks; t++) {
        wait<0>();
        __syncthreads();
        if (t == 0)
            for (int k = 0; k < 4; k++)
                load_matrices(q[k], &q_tile[warp * 16 + lane % 16][k * 16 + lane / 16 * 8]);
        if (t + 1 < blocks) {
            load(k_tile[(t + 1) & 1], K, (t + 1) * 64);
            load(v_tile[(t + 1) & 1], V, (t + 1) * 64);
            commit();
        }

        float p[8][4] = {};  // scores, then probabilities
        for (int k = 0; k < 4; k++)
            for (int j = 0; j < 4; j++) {
                unsigned b[4];
                load_matrices(
                    b,
                    &k_tile[t & 1][j * 16 + lane % 8 + lane / 16 * 8][k * 16 + lane / 8 % 2 * 8]);
                multiply(p[2 * j], q[k], b[0], b[1]);
                multiply(p[2 * j + 1], q[k], b[2], b[3]);
            }
        for (int h = 0; h < 2; h++) {  // the two rows of a thread
            const int row = q0 + warp * 16 + lane / 4 + h * 8;
            float top = maxima[h];
            for (int j = 0; j < 8; j++)
                for (int e = 0; e < 2; e++) {
                    const int col = t * 64 + j * 8 + lane % 4 * 2 + e;
                    float& x = p[j][h * 2 + e];
                    x = col <= row ? x * scale * kLog2E : -INFINITY;
                    top = fmaxf(top, x);
                }
            top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
            top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
            const float shrink = exp2f(maxima[h] - top);
            float sum = 0;
            for (int j = 0; j < 8; j++)
                for (int e = 0; e < 2; e++) {
                    float& x = p[j][h * 2 + e];
                    x = exp2f(x - top);
                    sum += x;
                    out[j][h * 2 + e] *= shrink;
                }
            sums[h] = sums[h] * shrink + sum;
            maxima[h] = top;
        }
        for (int k = 0; k < 4; k++) {
            unsigned a[4];
            for (int i = 0; i < 4; i++) {
                const __nv_bfloat162 pair = __floats2bfloat162_rn(p[2 * k + i / 2][i % 2 * 2],
                                                                  p[2 * k + i / 2][i % 2 * 2 + 1]);
                memcpy(&a[i], &pair, 4);
            }
            for (int j = 0; j < 4; j++) {
                unsigned b[4];
                load_transposed(b, &v_tile[t & 1][k * 16 + lane % 16][j * 16 + lane / 16 * 8]);
                multiply(out[2 * j], a, b[0], b[1]);
                multiply(out[2 * j + 1], a, b[2], b[3]);
            }
        }
        __syncthreads();
    }

    for (int h = 0; h < 2; h++) {
        const int row = q0 + warp * 16 + lane / 4 + h * 8;
        float sum = sums[h];
        sum += __shfl_xor_sync(~0u, sum, 1);
        sum += __shfl_xor_sync(~0u, sum, 2);
        if (row >= T) continue;
        for (int j = 0; j < 8; j++)
            for (int e = 0; e < 2; e++)
                O[base + size_t(row) * 64 + j * 8 + lane % 4 * 2 + e] =
                    __float2bfloat16(out[j][h * 2 + e] / sum);
        if (lane % 4 == 0) lse[blockIdx.y * T + row] = maxima[h] * kLn2 + logf(sum);
    }
}

CASE(flash_attention) {
    const int T = 160, heads = 3;
    const float scale = 0.125f;
    const size_t n = size_t(heads) * T * 64;
    auto q = random_bf16(n, 1), k = random_bf16(n, 2), v = random_bf16(n, 3);
    DeviceArray<Bf16> Q(q), K(k), V(v), O(n);
    DeviceArray<float> L(heads * T);
    attention<<<dim3((T + 63) / 64, heads), 128>>>(Q, K, V, O, L, T, scale);
    auto out = O.get();
    auto lse = L.get();

    double error = 0, lse_error = 0;
    for (int row = 0; row < heads * T; row++) {
        const int first = row / T * T;  // the head's keys; causal, so up to the row itself
        std::vector<double> p;
        for (int key = first; key <= row; key++) {
            double dot = 0;
            for (int c = 0; c < 64; c++)
                dot += double(float(q[row * 64 + c])) * float(k[key * 64 + c]);
            p.push_back(dot * scale);
        }
        double sum = 0;
        for (double& x : p) sum += x = std::exp(x);
        lse_error = std::max(lse_error, std::fabs(std::log(sum) - lse[row]));
        for (int c = 0; c < 64; c++) {
            double y = 0;
            for (size_t i = 0; i < p.size(); i++) y += p[i] / sum * float(v[(first + i) * 64 + c]);
            error = std::max(error, std::fabs(y - float(out[row * 64 + c])));
        }
    }
    EXPECT(error < 0.01);
    EXPECT(lse_error < 1e-3);
}

// ---- the functions of <cuda_pipeline.h>, and hand-written spellings -----------------------------

__global__ void use_pipeline(const float* in, float* out) {
    __shared__ __align__(16) float s[2][128];
    for (int k = 0; k < 4; k++) {
        __pipeline_memcpy_async(&s[k & 1][threadIdx.x], in + k * 128 + threadIdx.x, 4);
        __pipeline_commit();
        __pipeline_wait_prior(0);
        __syncthreads();
        out[k * 128 + threadIdx.x] = s[k & 1][127 - threadIdx.x];
    }
}

CASE(pipeline_functions) {
    auto v = random_values(512);
    DeviceArray<float> in(v), out(512);
    use_pipeline<<<1, 128>>>(in, out);
    auto got = out.get();
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 128; i++) EXPECT(got[k * 128 + i] == v[k * 128 + 127 - i]);
}

__global__ void copy_with_prefetch(const float* in, float* out) {
    __shared__ __align__(16) float tile[128];
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(
                     shared_address(&tile[threadIdx.x * 4])),
                 "l"(in + threadIdx.x * 4));
    asm volatile("cp.async.wait_all;");
    __syncthreads();
    for (int k = 0; k < 4; k++) out[threadIdx.x * 4 + k] = tile[(threadIdx.x * 4 + k + 1) % 128];
}

CASE(prefetch_size) {
    auto v = random_values(128, 3);
    DeviceArray<float> in(v), out(128);
    copy_with_prefetch<<<1, 32>>>(in, out);
    auto got = out.get();
    for (int i = 0; i < 128; i++) EXPECT(got[i] == v[(i + 1) % 128]);
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
