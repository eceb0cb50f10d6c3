#include "tests/cudaemu/blas/gemm.h"

#include <thread>

#include "tests/cudaemu/isa/fp.h"

// Of the runtime library (runtime/memory.cpp, runtime/streams.cpp).
extern "C" {
int cudaemu_check_range(const void* p, size_t bytes, const char* what);
cudaError_t cudaemu_enqueue(cudaStream_t s, const std::function<void()>* f);
}

namespace fovea::cudaemu::blas {

// ---- elements -----------------------------------------------------------------------------------

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
        case CUDA_R_32F: return double(static_cast<const float*>(p)[i]);
        case CUDA_R_32I: return static_cast<const i32*>(p)[i];
        case CUDA_R_16F: return double(f16_to_f32(static_cast<const u16*>(p)[i]));
        case CUDA_R_16BF: return double(bf16_to_f32(static_cast<const u16*>(p)[i]));
        case CUDA_R_8I: return static_cast<const i8*>(p)[i];
        case CUDA_R_8F_E4M3: return double(e4m3_to_f32(static_cast<const u8*>(p)[i]));
        case CUDA_R_8F_E5M2: return double(e5m2_to_f32(static_cast<const u8*>(p)[i]));
        default: die("cublas: unsupported data type");
    }
}

void store(void* p, cudaDataType t, int64_t i, double v) {
    switch (t) {
        case CUDA_R_64F: static_cast<double*>(p)[i] = v; return;
        case CUDA_R_32F: static_cast<float*>(p)[i] = float(v); return;
        case CUDA_R_32I: static_cast<i32*>(p)[i] = i32(v); return;
        case CUDA_R_16F: static_cast<u16*>(p)[i] = f64_to_f16(v, Rnd::RN); return;
        case CUDA_R_16BF: static_cast<u16*>(p)[i] = f64_to_bf16(v, Rnd::RN); return;
        case CUDA_R_8I:
            static_cast<i8*>(p)[i] = i8(std::clamp(std::nearbyint(v), -128.0, 127.0));
            return;
        case CUDA_R_8F_E4M3: static_cast<u8*>(p)[i] = f32_to_fp8(float(v), true, false); return;
        case CUDA_R_8F_E5M2: static_cast<u8*>(p)[i] = f32_to_fp8(float(v), false, false); return;
        default: die("cublas: unsupported data type");
    }
}

namespace {

double at(const Matrix& m, int64_t i, int64_t j) {
    return load(m.p, m.type, i * m.row_step + j * m.col_step);
}

// ---- the sums -----------------------------------------------------------------------------------

// f(begin, end) over 0..n, on several threads if there is enough work.
void parallel(int64_t n, int64_t work, const std::function<void(int64_t, int64_t)>& f) {
    constexpr int64_t kEnough = 200000;
    const int64_t available =
        std::max(1l, env_int("CUDAEMU_THREADS", long(std::thread::hardware_concurrency())));
    const int64_t threads = work < kEnough ? 1 : std::min(available, n);
    std::vector<std::thread> others;
    for (int64_t t = 1; t < threads; t++)
        others.emplace_back([&, t] { f(n * t / threads, n * (t + 1) / threads); });
    f(0, threads ? n / threads : 0);
    for (std::thread& t : others) t.join();
}

constexpr int64_t kRows = 4, kCols = 16;  // of C at a time: 8 vector registers

int64_t round_up(int64_t v, int64_t to) { return (v + to - 1) / to * to; }

// A B in fp32, fused, in the order of k; by rows of round_up(n, kCols).
std::vector<float> sums_in_fp32(const Product& p) {
    const int64_t m = p.m, n = p.n, k = p.k, padded_n = round_up(n, kCols);
    auto operand = [&](double v) {
        return p.tf32 ? bitsf(f32_to_tf32(float(v), Rnd::RN)) : float(v);
    };
    // A by rows; B in panels of kCols columns, each by rows.
    std::vector<float> a(size_t(round_up(m, kRows) * k)), b(size_t(padded_n * k));
    parallel(m, m * k, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++)
            for (int64_t q = 0; q < k; q++) a[size_t(i * k + q)] = operand(at(p.A, i, q));
    });
    parallel(padded_n / kCols, n * k, [&](int64_t begin, int64_t end) {
        for (int64_t panel = begin; panel < end; panel++)
            for (int64_t q = 0; q < k; q++)
                for (int64_t j = 0; j < kCols && panel * kCols + j < n; j++)
                    b[size_t((panel * k + q) * kCols + j)] = operand(at(p.B, q, panel * kCols + j));
    });

    std::vector<float> sums(size_t(round_up(m, kRows) * padded_n));
    parallel(round_up(m, kRows) / kRows, m * n * k, [&](int64_t begin, int64_t end) {
        for (int64_t block = begin; block < end; block++)
            for (int64_t panel = 0; panel < padded_n / kCols; panel++) {
                float c[kRows][kCols] = {};
                const float* pa = a.data() + block * kRows * k;
                const float* pb = b.data() + panel * k * kCols;
                for (int64_t q = 0; q < k; q++)
                    for (int64_t r = 0; r < kRows; r++)
                        for (int64_t j = 0; j < kCols; j++)
                            c[r][j] = __builtin_fmaf(pa[r * k + q], pb[q * kCols + j], c[r][j]);
                for (int64_t r = 0; r < kRows; r++)
                    std::copy(c[r], c[r] + kCols,
                              sums.data() + (block * kRows + r) * padded_n + panel * kCols);
            }
    });
    return sums;
}

// One element, for doubles and integers.
double sum_in_fp64(const Product& p, int64_t i, int64_t j) {
    double s = 0;
    for (int64_t q = 0; q < p.k; q++) s += at(p.A, i, q) * at(p.B, q, j);
    return s;
}

// ---- the epilogue -------------------------------------------------------------------------------

constexpr double kGeluScale = 0.7978845608028654, kGeluCube = 0.044715;  // sqrt(2 / pi)

double gelu(double x) {
    return 0.5 * x * (1 + std::tanh(kGeluScale * (x + kGeluCube * x * x * x)));
}
double gelu_slope(double x) {
    const double t = std::tanh(kGeluScale * (x + kGeluCube * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * kGeluScale * (1 + 3 * kGeluCube * x * x);
}

// A bit of a mask: what ReLU let pass.
bool mask_bit(const void* mask, int64_t i) {
    return static_cast<const u8*>(mask)[i / 8] >> (i % 8) & 1;
}
void set_mask_bit(void* mask, int64_t i, bool value) {
    u8& byte = static_cast<u8*>(mask)[i / 8];
    byte = u8((byte & ~(1 << (i % 8))) | int(value) << (i % 8));
}

double after_epilogue(const Product& p, double v, int64_t i, int64_t j) {
    const int64_t place = j * p.aux_ld + i;
    if (p.epilogue & kBias) v += load(p.bias, p.bias_type, i);
    if (p.epilogue & kReluSlope) return mask_bit(p.aux, place) ? v : 0;
    if (p.epilogue & kGeluSlope) return v * gelu_slope(load(p.aux, p.aux_type, place));
    if (p.epilogue & kRelu) {
        if (p.epilogue & kAux) set_mask_bit(p.aux, place, v > 0);
        return v > 0 ? v : 0;
    }
    if (p.epilogue & kGelu) {
        if (p.epilogue & kAux) store(p.aux, p.aux_type, place, v);
        return gelu(v);
    }
    return v;
}

// Gradients of a bias: the sums over n of A's or over m of B's rows.
void sum_operands(const Product& p) {
    if (p.epilogue & kSumOfA)
        for (int64_t i = 0; i < p.m; i++) {
            double s = 0;
            for (int64_t q = 0; q < p.k; q++) s += at(p.A, i, q);
            store(p.bias, p.bias_type, i, s);
        }
    if (p.epilogue & kSumOfB)
        for (int64_t j = 0; j < p.n; j++) {
            double s = 0;
            for (int64_t q = 0; q < p.k; q++) s += at(p.B, q, j);
            store(p.bias, p.bias_type, j, s);
        }
}

// ---- pointers -----------------------------------------------------------------------------------

bool is_good(const Matrix& m, int64_t rows, int64_t cols, const char* what) {
    if (rows <= 0 || cols <= 0) return true;
    const int64_t elements = (rows - 1) * m.row_step + (cols - 1) * m.col_step + 1;
    return cudaemu_check_range(m.p, size_t(elements) * type_bytes(m.type), what);
}

bool epilogue_is_good(const Product& p) {
    if (p.epilogue & kAux) {
        const bool mask = p.epilogue & (kRelu | kReluSlope);
        const size_t bytes = mask ? size_t(p.n * p.aux_ld / 8)
                                  : size_t((p.n - 1) * p.aux_ld + p.m) * type_bytes(p.aux_type);
        if (!cudaemu_check_range(p.aux, bytes, "cublasLt auxiliary buffer")) return false;
    }
    const int64_t elements = p.epilogue & kSumOfB                             ? p.n
                             : p.epilogue & (kBias | kBiasGradient | kSumOfA) ? p.m
                                                                              : 0;
    return cudaemu_check_range(p.bias, size_t(elements) * type_bytes(p.bias_type), "cublasLt bias");
}

}  // namespace

bool multiply(const Product& p) {
    if (p.m <= 0 || p.n <= 0) return true;
    if (!is_good(p.A, p.m, p.k, "cublas matrix A") || !is_good(p.B, p.k, p.n, "cublas matrix B") ||
        !is_good(p.D, p.m, p.n, "cublas output matrix") || !epilogue_is_good(p))
        return false;
    if (p.beta != 0 && !is_good(p.C, p.m, p.n, "cublas matrix C")) return false;

    const bool wide = p.A.type == CUDA_R_64F || p.A.type == CUDA_R_8I;
    const int64_t padded_n = round_up(p.n, kCols);
    const std::vector<float> sums = wide ? std::vector<float>() : sums_in_fp32(p);
    for (int64_t i = 0; i < p.m; i++) {
        double gradient = 0;
        for (int64_t j = 0; j < p.n; j++) {
            const double s = wide ? sum_in_fp64(p, i, j) : double(sums[size_t(i * padded_n + j)]);
            const double c = p.beta != 0 ? p.beta * at(p.C, i, j) : 0;
            const double v = after_epilogue(p, p.alpha * s + c, i, j);
            gradient += v;
            store(p.D.p, p.D.type, i * p.D.row_step + j * p.D.col_step, v);
        }
        if (p.epilogue & kBiasGradient) store(p.bias, p.bias_type, i, gradient);
    }
    sum_operands(p);
    return true;
}

cublasStatus_t submit(cudaStream_t s, const std::function<void()>& f) {
    const cudaError_t e = cudaemu_enqueue(s, &f);
    return e == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace fovea::cudaemu::blas
