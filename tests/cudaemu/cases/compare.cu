// Comparisons: setp and set with every relation and type, NaN among the operands.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>

#include "tests/cudaemu/cases/case.h"

using u = unsigned;

template <class T>
bool unordered(T a, T b) {
    return a != a || b != b;
}

// X(name, what it means on the host)
#define ORDERED(X)  \
    X("eq", a == b) \
    X("lt", a < b)  \
    X("le", a <= b) \
    X("gt", a > b)  \
    X("ge", a >= b)
#define ALL_OF_FLOATS(X)                \
    ORDERED(X)                          \
    X("ne", !unordered(a, b) && a != b) \
    X("equ", unordered(a, b) || a == b) \
    X("neu", unordered(a, b) || a != b) \
    X("ltu", unordered(a, b) || a < b)  \
    X("leu", unordered(a, b) || a <= b) \
    X("gtu", unordered(a, b) || a > b)  \
    X("geu", unordered(a, b) || a >= b) \
    X("num", !unordered(a, b))          \
    X("nan", unordered(a, b))
#define ALL_OF_INTEGERS(X) \
    ORDERED(X)             \
    X("ne", a != b)

// One bit for each relation of a pair: from setp, and from set (whose result is all ones).
#define SETP(name, meaning)                                                                \
    asm("{.reg .pred p; setp." name "." TYPE " p, %1, %2; selp.u32 %0, 1, 0, p;}"          \
        : "=r"(r)                                                                          \
        : CONSTRAINT(a), CONSTRAINT(b));                                                   \
    bits |= r << k;                                                                        \
    asm("set." name ".u32." TYPE " %0, %1, %2;" : "=r"(r) : CONSTRAINT(a), CONSTRAINT(b)); \
    bits ^= (r & 1) << (16 + k++);
#define HOST(name, meaning)  \
    bits |= u(meaning) << k; \
    bits |= u(meaning) << (16 + k++);

#define DEFINE_COMPARISON(T, relations)   \
    __device__ u relations_of(T a, T b) { \
        u r, bits = 0;                    \
        int k = 0;                        \
        relations(SETP) return bits;      \
    }                                     \
    u expected_relations_of(T a, T b) {   \
        u bits = 0;                       \
        int k = 0;                        \
        relations(HOST) return bits;      \
    }

#define TYPE "f32"
#define CONSTRAINT(v) "f"(v)
DEFINE_COMPARISON(float, ALL_OF_FLOATS)
#undef TYPE
#undef CONSTRAINT
#define TYPE "f64"
#define CONSTRAINT(v) "d"(v)
DEFINE_COMPARISON(double, ALL_OF_FLOATS)
#undef TYPE
#undef CONSTRAINT
#define TYPE "s32"
#define CONSTRAINT(v) "r"(v)
DEFINE_COMPARISON(int, ALL_OF_INTEGERS)
#undef TYPE
#define TYPE "u32"
DEFINE_COMPARISON(u, ALL_OF_INTEGERS)
#undef TYPE
#undef CONSTRAINT
#define TYPE "s64"
#define CONSTRAINT(v) "l"(v)
DEFINE_COMPARISON(long long, ALL_OF_INTEGERS)
#undef TYPE
#define TYPE "u64"
DEFINE_COMPARISON(unsigned long long, ALL_OF_INTEGERS)
#undef TYPE
#undef CONSTRAINT
#define TYPE "s16"
#define CONSTRAINT(v) "h"(v)
DEFINE_COMPARISON(short, ALL_OF_INTEGERS)
#undef TYPE
#undef CONSTRAINT

template <class T>
__global__ void compare(const T* v, int n, u* out) {
    for (int i = threadIdx.x; i < n * n; i += blockDim.x) out[i] = relations_of(v[i / n], v[i % n]);
}

template <class T>
void check(const std::vector<T>& v) {
    const int n = int(v.size());
    DeviceArray<T> V(v);
    DeviceArray<u> out(n * n);
    compare<T><<<1, 64>>>(V, n, out);
    auto got = out.get();
    for (int i = 0; i < n * n; i++)
        expect(got[i] == expected_relations_of(v[i / n], v[i % n]), "relations", i);
}

CASE(f32) { check<float>({0.f, -0.f, 1.f, -1.f, 1e-40f, INFINITY, -INFINITY, NAN, 2.f}); }
CASE(f64) { check<double>({0., -0., 1., -1., 1e-310, INFINITY, -INFINITY, NAN, 2.}); }
CASE(s32) { check<int>({0, 1, -1, INT32_MAX, INT32_MIN}); }
CASE(u32) { check<u>({0, 1, ~0u, 0x7fffffff, 0x80000000}); }
CASE(s64) { check<long long>({0, 1, -1, INT64_MAX, INT64_MIN, 1ll << 32}); }
CASE(u64) { check<unsigned long long>({0, 1, ~0ull, 1ull << 32, 1ull << 63}); }
CASE(s16) { check<short>({0, 1, -1, 32767, -32768}); }

// ---- two 16-bit numbers -------------------------------------------------------------------------

// Bits of a function that compares both halves at once.
#define PAIR_FUNCTIONS(X)                    \
    X(__heq2, x == y, 0)                     \
    X(__hne2, x != y && !unordered(x, y), 0) \
    X(__hle2, x <= y, 0)                     \
    X(__hgt2, x > y, 0)                      \
    X(__hequ2, x == y, 1)                    \
    X(__hltu2, x < y, 1)                     \
    X(__hgeu2, x >= y, 1)

template <class Pair>
__global__ void compare_pairs(const Pair* a, const Pair* b, Pair* out, u* masks, int n) {
    const int i = threadIdx.x;
    if (i >= n) return;
    int k = 0;
#define STORE(f, meaning, if_unordered) \
    out[i * 7 + k] = f(a[i], b[i]);     \
    masks[i * 7 + k++] = f##_mask(a[i], b[i]);
    PAIR_FUNCTIONS(STORE)
#undef STORE
}

template <class Pair, class Number>
void check_pairs() {
    const float values[] = {0.f, -0.f, 1.f, -2.f, INFINITY, NAN};
    std::vector<Pair> a, b;
    for (float x : values)
        for (float y : values) {
            Pair p, q;
            p.x = Number(x);
            p.y = Number(y);
            q.x = Number(y);
            q.y = Number(1.f);
            a.push_back(p);
            b.push_back(q);
        }
    const int n = int(a.size());
    DeviceArray<Pair> A(a), B(b), out(n * 7);
    DeviceArray<u> masks(n * 7);
    compare_pairs<Pair><<<1, 64>>>(A.p, B.p, out.p, masks.p, n);
    auto got = out.get();
    auto mask = masks.get();
    for (int i = 0; i < n; i++) {
        int k = i * 7;
#define COMPARE(f, meaning, if_unordered)                                                   \
    {                                                                                       \
        auto holds = [](float x, float y) {                                                 \
            return (meaning) || (if_unordered && unordered(x, y));                          \
        };                                                                                  \
        const bool low = holds(float(a[i].x), float(b[i].x));                               \
        const bool high = holds(float(a[i].y), float(b[i].y));                              \
        expect(float(got[k].x) == float(low) && float(got[k].y) == float(high), #f, i);     \
        expect(mask[k++] == (low ? 0xffffu : 0) + (high ? 0xffff0000u : 0), #f "_mask", i); \
    }
        PAIR_FUNCTIONS(COMPARE)
#undef COMPARE
    }
}

CASE(f16x2) { check_pairs<__half2, __half>(); }
CASE(bf16x2) { check_pairs<__nv_bfloat162, __nv_bfloat16>(); }

// ---- combined with a predicate; a predicate and its complement; testp ---------------------------

__global__ void combine(u* out) {
    const int t = threadIdx.x;
    u r[4], test;
    asm("{\n"
        ".reg .pred p, q, c;\n"
        "setp.ne.s32 c, %7, 0;\n"
        "setp.lt.and.s32 p|q, %6, 16, c;\n"
        "selp.u32 %0, 1, 0, p;\n"
        "selp.u32 %1, 1, 0, q;\n"
        "setp.lt.or.s32 p, %6, 16, !c;\n"
        "selp.u32 %2, 1, 0, p;\n"
        "setp.lt.xor.s32 p, %6, 16, c;\n"
        "selp.u32 %3, 1, 0, p;\n"
        "testp.subnormal.f32 p, %5;\n"
        "selp.u32 %4, 1, 0, p;\n"
        "}"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]), "=r"(test)
        : "f"(t % 3 ? 1.f : 1e-40f), "r"(t), "r"(t & 1));
    out[t] = r[0] | r[1] << 1 | r[2] << 2 | r[3] << 3 | test << 4;
}

CASE(combined_predicates) {
    DeviceArray<u> out(32);
    combine<<<1, 32>>>(out);
    auto o = out.get();
    for (int t = 0; t < 32; t++) {
        const bool low = t < 16, odd = t & 1;
        const u expected = u(low && odd) | u(!low && odd) << 1 | u(low || !odd) << 2 |
                           u(low != odd) << 3 | u(t % 3 == 0) << 4;
        EXPECT(o[t] == expected);
    }
}

int main(int argc, char** argv) { return run_cases(argc, argv); }
