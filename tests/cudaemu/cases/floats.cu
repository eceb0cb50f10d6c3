// Floating-point instructions: conversions bit for bit, 16-bit arithmetic, elementary functions.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <bit>

#include "tests/cudaemu/cases/case.h"

using u = unsigned;
using Half = __half;
using Bf16 = __nv_bfloat16;

// ---- conversions --------------------------------------------------------------------------------

u bits(float x) { return std::bit_cast<u>(x); }

double clamped(double x, double low, double high) {
    return std::isnan(x) ? 0.0 : std::min(std::max(x, low), high);
}
u to_int(double x) { return u(int(clamped(x, -2147483648.0, 2147483647.0))); }

// The float next to x in a direction; x itself where it is one.
float toward_zero(double x) {
    const float f = float(x);
    return std::fabs(double(f)) > std::fabs(x) ? std::nextafter(f, 0.f) : f;
}
float upward(double x) {
    const float f = float(x);
    return double(f) < x ? std::nextafter(f, INFINITY) : f;
}

// OP(on the device, on the host). The conversions to 16 and 8 bits have host versions in CUDA's
// headers.
#define CONVERSIONS(OP)                                                                            \
    OP(__half_as_ushort(__float2half_rn(x)), __half_as_ushort(__float2half_rn(x)))                 \
    OP(__half_as_ushort(__float2half_rz(x)), __half_as_ushort(__float2half_rz(x)))                 \
    OP(__bfloat16_as_ushort(__float2bfloat16_rn(x)), __bfloat16_as_ushort(__float2bfloat16_rn(x))) \
    OP(__nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3),                                        \
       __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3))                                        \
    OP(__nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E5M2),                                        \
       __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E5M2))                                        \
    OP(__float2int_rn(x), to_int(std::nearbyint(x)))                                               \
    OP(__float2int_rz(x), to_int(std::trunc(x)))                                                   \
    OP(__float2int_rd(x), to_int(std::floor(x)))                                                   \
    OP(__float2uint_ru(x), u(clamped(std::ceil(x), 0, 4294967295.0)))                              \
    OP(std::fabs(x) < 1e18f ? __float2ll_rz(x) : 0, std::fabs(x) < 1e18f ? (long long)x : 0)       \
    OP(__float_as_uint(__int2float_rn(int(n))), bits(float(int(n))))                               \
    OP(__float_as_uint(__uint2float_rz(n)), bits(toward_zero(n)))

// The same, for numbers only: the bits of a NaN that comes out of arithmetic are not defined.
#define ROUNDINGS(OP)                                                          \
    OP(__double2float_rn(double(x) * 1.0000001), float(double(x) * 1.0000001)) \
    OP(__fadd_rz(x, 1.1f), toward_zero(double(x) + double(1.1f)))              \
    OP(__fmul_ru(x, 1.1f), upward(double(x) * double(1.1f)))                   \
    OP(rintf(x), std::nearbyint(x))                                            \
    OP(floorf(x), std::floor(x))                                               \
    OP(truncf(x), std::trunc(x))

#define COUNT(device, host) +1
constexpr int kConversions = CONVERSIONS(COUNT), kRoundings = ROUNDINGS(COUNT);

__global__ void convert(const float* in, u* out, float* rounded, int count) {
    const int i = threadIdx.x + blockIdx.x * blockDim.x;
    if (i >= count) return;
    const float x = in[i];
    const u n = __float_as_uint(x);
    u* p = out + i * kConversions;
    float* r = rounded + i * kRoundings;
#define STORE(device, host) *p++ = u(device);
    CONVERSIONS(STORE)
#undef STORE
#define STORE(device, host) *r++ = device;
    ROUNDINGS(STORE)
#undef STORE
}

CASE(conversions) {
    std::vector<float> in = {0.f,     -0.f,    INFINITY, -INFINITY, NAN,          65504.f,
                             65520.f, 65519.f, 1e-8f,    448.f,     464.f,        465.f,
                             0.5f,    1.5f,    2.5f,     -0.5f,     2147483648.f, -2147483904.f};
    std::mt19937 draw(2);
    for (int i = 0; i < 3000; i++) {
        in.push_back(std::bit_cast<float>(u(draw())));
        in.push_back(std::ldexp(float(int(draw())) * 0x1p-31f, int(draw() % 40) - 20));
    }
    const int count = int(in.size());
    DeviceArray<float> A(in), rounded(count * kRoundings);
    DeviceArray<u> out(count * kConversions);
    convert<<<(count + 127) / 128, 128>>>(A, out, rounded, count);
    auto got = out.get();
    auto got_rounded = rounded.get();
    for (int i = 0; i < count; i++) {
        const float x = in[i];
        const u n = bits(x);
        const u* p = &got[i * kConversions];
#define COMPARE(device, host) expect(*p++ == u(host), #device, i);
        CONVERSIONS(COMPARE)
#undef COMPARE
        // Denormal or huge results: double rounding on the host would differ.
        if (!(std::fabs(x) > 1e-6f && std::fabs(x) < 1e6f)) continue;
        const float* r = &got_rounded[i * kRoundings];
#define COMPARE(device, host) expect(bits(*r++) == bits(float(host)), #device, i);
        ROUNDINGS(COMPARE)
#undef COMPARE
    }
}

// ---- 16-bit arithmetic --------------------------------------------------------------------------

// ptxas also takes the modifier behind the type.
__device__ __half2 fma_then_relu(__half2 x, __half2 y, __half2 z) {
    unsigned r, a, b, c;
    memcpy(&a, &x, 4);
    memcpy(&b, &y, 4);
    memcpy(&c, &z, 4);
    asm("fma.rn.f16x2.relu %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
    memcpy(&x, &r, 4);
    return x;
}
__device__ float low(__half2 v) { return __low2float(v); }
__device__ float high(__half2 v) { return __high2float(v); }
__device__ float low(__nv_bfloat162 v) { return __low2float(v); }
__device__ float high(__nv_bfloat162 v) { return __high2float(v); }

float as_half(double x) { return __half2float(__double2half(x)); }
float as_bf16(double x) { return __bfloat162float(__double2bfloat16(x)); }

// x, y are halves and p, q bf16 numbers; on the host, doubles with their values. Rounded once.
#define HALF_OPS(OP)                                                                          \
    OP(__half2float(__hadd(x, y)), as_half(x + y))                                            \
    OP(__half2float(__hmul(x, y)), as_half(x* y))                                             \
    OP(__half2float(__hfma(x, y, x)), as_half(x* y + x))                                      \
    OP(__half2float(__hmax(x, y)), std::max(x, y))                                            \
    OP(__half2float(__hmul_sat(x, y)), clamped(as_half(x* y), 0, 1))                          \
    OP(__half2float(__hfma_relu(x, y, x)), std::max(0.f, as_half(x* y + x)))                  \
    OP(high(fma_then_relu(__halves2half2(y, x), __halves2half2(x, y), __halves2half2(x, x))), \
       std::max(0.f, as_half(x* y + x)))                                                      \
    OP(__hlt(x, y), x < y)                                                                    \
    OP(low(__hfma2(__halves2half2(x, y), __halves2half2(y, x), __halves2half2(x, x))),        \
       as_half(x* y + x))                                                                     \
    OP(high(__hfma2(__halves2half2(x, y), __halves2half2(y, y), __halves2half2(x, y))),       \
       as_half(y* y + y))                                                                     \
    OP(__bfloat162float(__hadd(p, q)), as_bf16(p + q))                                        \
    OP(__bfloat162float(__hmul(p, q)), as_bf16(p* q))                                         \
    OP(__bfloat162float(__hfma(p, q, p)), as_bf16(p* q + p))                                  \
    OP(__bfloat162float(__hmin(p, q)), std::min(p, q))                                        \
    OP(low(__hadd2(__halves2bfloat162(p, q), __halves2bfloat162(q, q))), as_bf16(p + q))      \
    OP(high(__hadd2(__halves2bfloat162(p, q), __halves2bfloat162(q, q))), as_bf16(q + q))

constexpr int kHalfOps = HALF_OPS(COUNT);

__global__ void compute_halves(const float* a, const float* b, float* out, int n) {
    const int i = threadIdx.x + blockIdx.x * blockDim.x;
    if (i >= n) return;
    const Half x = __float2half(a[i]), y = __float2half(b[i]);
    const Bf16 p = __float2bfloat16(a[i]), q = __float2bfloat16(b[i]);
    float* r = out + i * kHalfOps;
#define STORE(device, host) *r++ = device;
    HALF_OPS(STORE)
#undef STORE
}

CASE(half_and_bf16_arithmetic) {
    const int n = 4096;
    auto a = random_values(n, 5, -4, 4), b = random_values(n, 6, -4, 4);
    for (int i = 0; i < n; i += 9) a[i] *= 3000;
    for (int i = 0; i < n; i += 11) b[i] *= 1e-5f;
    DeviceArray<float> A(a), B(b), out(n * kHalfOps);
    compute_halves<<<(n + 127) / 128, 128>>>(A, B, out, n);
    auto got = out.get();
    for (int i = 0; i < n; i++) {
        const double x = as_half(a[i]), y = as_half(b[i]), p = as_bf16(a[i]), q = as_bf16(b[i]);
        const float* r = &got[i * kHalfOps];
#define COMPARE(device, host) expect(*r++ == float(host), #device, i);
        HALF_OPS(COMPARE)
#undef COMPARE
    }
}

// ---- elementary functions -----------------------------------------------------------------------

// x is a float on the device and a double on the host, f its magnitude.
#define FUNCTIONS(OP)                                     \
    OP(expf(x), std::exp(x))                              \
    OP(logf(f + 0.1f), std::log(double(float(f) + 0.1f))) \
    OP(sinf(x), std::sin(x))                              \
    OP(cosf(x * 1000), std::cos(double(float(x) * 1000))) \
    OP(tanhf(x), std::tanh(x))                            \
    OP(erff(x), std::erf(x))                              \
    OP(sqrtf(f), std::sqrt(f))                            \
    OP(rsqrtf(f + 1), 1 / std::sqrt(f + 1))               \
    OP(powf(f, 1.7f), std::pow(f, double(1.7f)))          \
    OP(__expf(x), std::exp(x))                            \
    OP(__fdividef(x, 3.f), x / 3)                         \
    OP(cbrtf(x), std::cbrt(x))                            \
    OP(log1pf(f), std::log1p(f))                          \
    OP(float(exp(double(x))), std::exp(x))                \
    OP(fmodf(x, 0.7f), fmodf(float(x), 0.7f))             \
    OP(x / 3.f, x / 3)

constexpr int kFunctions = FUNCTIONS(COUNT);

__global__ void compute_functions(const float* a, float* out, int n) {
    const int i = threadIdx.x + blockIdx.x * blockDim.x;
    if (i >= n) return;
    const float x = a[i], f = fabsf(x);
    float* r = out + i * kFunctions;
#define STORE(device, host) *r++ = device;
    FUNCTIONS(STORE)
#undef STORE
}

CASE(elementary_functions) {
    const int n = 2000;
    auto a = random_values(n, 7, -8, 8);
    DeviceArray<float> A(a), out(n * kFunctions);
    compute_functions<<<(n + 127) / 128, 128>>>(A, out, n);
    auto got = out.get();
    for (int i = 0; i < n; i++) {
        const double x = a[i], f = std::fabs(x);
        const float* r = &got[i * kFunctions];
#define COMPARE(device, host) \
    expect(std::fabs(*r++ - (host)) <= 2e-6 + 4e-6 * std::fabs(host), #device, i);
        FUNCTIONS(COMPARE)
#undef COMPARE
    }
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
