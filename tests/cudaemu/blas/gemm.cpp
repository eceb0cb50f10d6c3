#include "tests/cudaemu/blas/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <thread>
#include <vector>

#include "tests/cudaemu/isa/fp.h"

extern "C" int cudaemu_check_range(const void* p, size_t n, const char* what);

namespace emublas {

using namespace emu;

size_t type_bytes(cudaDataType t) {
    switch (t) {
        case CUDA_R_64F: return 8;
        case CUDA_R_32F:
        case CUDA_R_32I: return 4;
        case CUDA_R_16F:
        case CUDA_R_16BF: return 2;
        default: return 1;
    }
}
bool type_supported(cudaDataType t) {
    switch (t) {
        case CUDA_R_64F:
        case CUDA_R_32F:
        case CUDA_R_32I:
        case CUDA_R_16F:
        case CUDA_R_16BF:
        case CUDA_R_8I:
        case CUDA_R_8F_E4M3:
        case CUDA_R_8F_E5M2: return true;
        default: return false;
    }
}
double load(const void* p, cudaDataType t, int64_t i) {
    switch (t) {
        case CUDA_R_64F: return static_cast<const double*>(p)[i];
        case CUDA_R_32F: return static_cast<const float*>(p)[i];
        case CUDA_R_32I: return static_cast<const int*>(p)[i];
        case CUDA_R_16F: return f16_to_f32(static_cast<const u16*>(p)[i]);
        case CUDA_R_16BF: return bf16_to_f32(static_cast<const u16*>(p)[i]);
        case CUDA_R_8I: return static_cast<const int8_t*>(p)[i];
        case CUDA_R_8F_E4M3: return e4m3_to_f32(static_cast<const u8*>(p)[i]);
        case CUDA_R_8F_E5M2: return e5m2_to_f32(static_cast<const u8*>(p)[i]);
        default: die("cublas: unsupported data type");
    }
}
void store(void* p, cudaDataType t, int64_t i, double v) {
    switch (t) {
        case CUDA_R_64F: static_cast<double*>(p)[i] = v; return;
        case CUDA_R_32F: static_cast<float*>(p)[i] = float(v); return;
        case CUDA_R_32I: static_cast<int*>(p)[i] = int(v); return;
        case CUDA_R_16F: static_cast<u16*>(p)[i] = f64_to_f16(v, Rnd::RN); return;
        case CUDA_R_16BF: static_cast<u16*>(p)[i] = f64_to_bf16(v, Rnd::RN); return;
        case CUDA_R_8I:
            static_cast<int8_t*>(p)[i] = int8_t(std::clamp(std::nearbyint(v), -128.0, 127.0));
            return;
        case CUDA_R_8F_E4M3: static_cast<u8*>(p)[i] = f32_to_fp8(float(v), true, false); return;
        case CUDA_R_8F_E5M2: static_cast<u8*>(p)[i] = f32_to_fp8(float(v), false, false); return;
        default: die("cublas: unsupported data type");
    }
}

static void parallel(int64_t n, int64_t work, const std::function<void(int64_t, int64_t)>& f) {
    static const int nt =
        int(std::max(1l, env_int("CUDAEMU_THREADS", long(std::thread::hardware_concurrency()))));
    int t = work < 200000 ? 1 : int(std::min<int64_t>(nt, n));
    if (t <= 1) return f(0, n);
    std::vector<std::thread> th;
    for (int i = 1; i < t; i++) th.emplace_back([&, i] { f(n * i / t, n * (i + 1) / t); });
    f(0, n / t);
    for (auto& x : th) x.join();
}

constexpr int NR = 16, MR = 4;

static void multiply(const GemmArgs& g, std::vector<float>& acc) {  // acc[m][npad]
    const int64_t m = g.m, n = g.n, k = g.k, np = (n + NR - 1) / NR * NR;
    auto fix = [&](double v) { return g.tf32 ? bitsf(f32_to_tf32(float(v), Rnd::RN)) : float(v); };
    std::vector<float> A(size_t((m + MR - 1) / MR * MR * k)), B(size_t(np * k));
    parallel(m, m * k, [&](int64_t lo, int64_t hi) {
        for (int64_t i = lo; i < hi; i++)
            for (int64_t p = 0; p < k; p++)
                A[size_t(i * k + p)] = fix(load(g.A.p, g.A.t, i * g.A.rs + p * g.A.cs));
    });
    parallel(np / NR, n * k, [&](int64_t lo, int64_t hi) {
        for (int64_t b = lo; b < hi; b++)
            for (int64_t p = 0; p < k; p++)
                for (int j = 0; j < NR; j++) {
                    int64_t col = b * NR + j;
                    B[size_t((b * k + p) * NR + j)] =
                        col < n ? fix(load(g.B.p, g.B.t, p * g.B.rs + col * g.B.cs)) : 0;
                }
    });
    acc.assign(size_t((m + MR - 1) / MR * MR * np), 0);
    parallel((m + MR - 1) / MR, m * n * k, [&](int64_t lo, int64_t hi) {
        for (int64_t ib = lo; ib < hi; ib++)
            for (int64_t b = 0; b < np / NR; b++) {
                float c[MR][NR] = {};
                const float* bp = &B[size_t(b * k * NR)];
                const float* ap = &A[size_t(ib * MR * k)];
                for (int64_t p = 0; p < k; p++)
                    for (int r = 0; r < MR; r++) {
                        float a = ap[r * k + p];
                        for (int j = 0; j < NR; j++)
                            c[r][j] = __builtin_fmaf(a, bp[p * NR + j], c[r][j]);
                    }
                for (int r = 0; r < MR; r++)
                    for (int j = 0; j < NR; j++)
                        acc[size_t((ib * MR + r) * np + b * NR + j)] = c[r][j];
            }
    });
}

static double gelu(double x) {
    return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}
static double dgelu(double x) {
    double t = std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}

static bool check(const Mat& a, int64_t r, int64_t c, const char* what) {
    if (r <= 0 || c <= 0) return true;
    return cudaemu_check_range(a.p, size_t((r - 1) * a.rs + (c - 1) * a.cs + 1) * type_bytes(a.t),
                               what);
}

bool gemm(const GemmArgs& g) {
    if (g.m <= 0 || g.n <= 0) return true;
    if (!check(g.A, g.m, g.k, "cublas matrix A") || !check(g.B, g.k, g.n, "cublas matrix B") ||
        !check(g.D, g.m, g.n, "cublas output matrix"))
        return false;
    if (g.beta != 0 && !check(g.C, g.m, g.n, "cublas matrix C")) return false;
    const int e = g.epilogue;
    const bool wide = g.A.t == CUDA_R_64F || g.A.t == CUDA_R_8I;
    std::vector<float> acc;
    const int64_t np = (g.n + NR - 1) / NR * NR;
    if (!wide) multiply(g, acc);
    const bool bias = e & CUBLASLT_EPILOGUE_BIAS, relu = e & CUBLASLT_EPILOGUE_RELU,
               gel = e & CUBLASLT_EPILOGUE_GELU;
    const bool drelu = (e & 8) != 0, dgel = (e & 64) != 0, aux = (e & 128) != 0,
               bgrad = (e & 16) != 0;
    if (aux && !cudaemu_check_range(g.aux,
                                    (relu || drelu)
                                        ? size_t(g.n * g.aux_ld / 8)
                                        : size_t((g.n - 1) * g.aux_ld + g.m) * type_bytes(g.aux_t),
                                    "cublasLt auxiliary buffer"))
        return false;
    if ((bias || bgrad || (e & 256)) &&
        !cudaemu_check_range(g.bias, size_t(g.m) * type_bytes(g.bias_t), "cublasLt bias"))
        return false;
    std::vector<double> grad(bgrad ? size_t(g.m) : 0);
    // Columns stay in order so that the bias gradient and the bit mask need no locks per element.
    for (int64_t i = 0; i < g.m; i++)
        for (int64_t j = 0; j < g.n; j++) {
            double s;
            if (wide) {
                s = 0;
                for (int64_t p = 0; p < g.k; p++)
                    s += load(g.A.p, g.A.t, i * g.A.rs + p * g.A.cs) *
                         load(g.B.p, g.B.t, p * g.B.rs + j * g.B.cs);
            } else {
                s = acc[size_t(i * np + j)];
            }
            double v = g.alpha * s;
            if (g.beta != 0) v += g.beta * load(g.C.p, g.C.t, i * g.C.rs + j * g.C.cs);
            if (bias) v += load(g.bias, g.bias_t, i);
            if (drelu) {
                int64_t bit = j * g.aux_ld + i;
                if (!(static_cast<u8*>(g.aux)[bit >> 3] >> (bit & 7) & 1)) v = 0;
            } else if (dgel) {
                v *= dgelu(load(g.aux, g.aux_t, j * g.aux_ld + i));
            } else if (relu) {
                if (aux) {
                    int64_t bit = j * g.aux_ld + i;
                    u8& b = static_cast<u8*>(g.aux)[bit >> 3];
                    b = u8((b & ~(1 << (bit & 7))) | (v > 0) << (bit & 7));
                }
                v = v > 0 ? v : 0;
            } else if (gel) {
                if (aux) store(g.aux, g.aux_t, j * g.aux_ld + i, v);
                v = gelu(v);
            }
            if (bgrad) grad[size_t(i)] += v;
            store(g.D.p, g.D.t, i * g.D.rs + j * g.D.cs, v);
        }
    if (bgrad)
        for (int64_t i = 0; i < g.m; i++) store(g.bias, g.bias_t, i, grad[size_t(i)]);
    if (e & 256)
        for (int64_t i = 0; i < g.m; i++) {
            double s = 0;
            for (int64_t p = 0; p < g.k; p++) s += load(g.A.p, g.A.t, i * g.A.rs + p * g.A.cs);
            store(g.bias, g.bias_t, i, s);
        }
    if (e & 512)
        for (int64_t j = 0; j < g.n; j++) {
            double s = 0;
            for (int64_t p = 0; p < g.k; p++) s += load(g.B.p, g.B.t, p * g.B.rs + j * g.B.cs);
            store(g.bias, g.bias_t, j, s);
        }
    return true;
}

void submit(cudaStream_t s, std::function<void()> fn) {
    cudaStreamCaptureStatus c = cudaStreamCaptureStatusNone;
    cudaStreamIsCapturing(s, &c);
    using Fn = std::function<void()>;
    auto call = [](void* p) { (*static_cast<Fn*>(p))(); };
    auto call_once = [](void* p) {
        (*static_cast<Fn*>(p))();
        delete static_cast<Fn*>(p);
    };
    // A captured function belongs to the graph and may run many times: it is never freed.
    Fn* f = new Fn(std::move(fn));
    if (c == cudaStreamCaptureStatusActive)
        cudaLaunchHostFunc(s, call, f);
    else
        cudaLaunchHostFunc(s, call_once, f);
}

}  // namespace emublas
