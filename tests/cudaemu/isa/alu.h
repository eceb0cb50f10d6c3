// Lane loops for arithmetic instructions. F::f is applied to every lane; partial masks blend.
#pragma once
#include "tests/cudaemu/decode/decode.h"

namespace emu {

template <class R, class A, class F>
void exec_un(Ctx& c, const Inst& I) {
    auto* d = slot<lane_t<R>>(c, I.o[0]);
    auto* a = slot<lane_t<A>>(c, I.o[1]);
    if (c.mask == kFull) {
#pragma GCC ivdep
        for (int i = 0; i < kWarp; i++) d[i] = put<R>(F::f(get<A>(a[i])));
    } else {
        alignas(64) lane_t<R> t[kWarp];
#pragma GCC ivdep
        for (int i = 0; i < kWarp; i++) t[i] = put<R>(F::f(get<A>(a[i])));
        store_masked(d, t, c.mask);
    }
}

template <class R, class A, class B, class F>
void exec_bin(Ctx& c, const Inst& I) {
    auto* d = slot<lane_t<R>>(c, I.o[0]);
    auto* a = slot<lane_t<A>>(c, I.o[1]);
    auto* b = slot<lane_t<B>>(c, I.o[2]);
    if (c.mask == kFull) {
#pragma GCC ivdep
        for (int i = 0; i < kWarp; i++) d[i] = put<R>(F::f(get<A>(a[i]), get<B>(b[i])));
    } else {
        alignas(64) lane_t<R> t[kWarp];
#pragma GCC ivdep
        for (int i = 0; i < kWarp; i++) t[i] = put<R>(F::f(get<A>(a[i]), get<B>(b[i])));
        store_masked(d, t, c.mask);
    }
}

template <class R, class A, class B, class C, class F>
void exec_ter(Ctx& c, const Inst& I) {
    auto* d = slot<lane_t<R>>(c, I.o[0]);
    auto* a = slot<lane_t<A>>(c, I.o[1]);
    auto* b = slot<lane_t<B>>(c, I.o[2]);
    auto* e = slot<lane_t<C>>(c, I.o[3]);
    if (c.mask == kFull) {
#pragma GCC ivdep
        for (int i = 0; i < kWarp; i++)
            d[i] = put<R>(F::f(get<A>(a[i]), get<B>(b[i]), get<C>(e[i])));
    } else {
        alignas(64) lane_t<R> t[kWarp];
#pragma GCC ivdep
        for (int i = 0; i < kWarp; i++)
            t[i] = put<R>(F::f(get<A>(a[i]), get<B>(b[i]), get<C>(e[i])));
        store_masked(d, t, c.mask);
    }
}

// Compares: F::f(a, b) -> bool, collected into a lane mask.
template <class A, class F>
u32 compare_lanes(Ctx& c, u32 oa, u32 ob) {
    auto* a = slot<lane_t<A>>(c, oa);
    auto* b = slot<lane_t<A>>(c, ob);
    alignas(64) u32 bit[kWarp];
#pragma GCC ivdep
    for (int i = 0; i < kWarp; i++) bit[i] = F::f(get<A>(a[i]), get<A>(b[i])) ? 1u << i : 0u;
    u32 r = 0;
    for (int i = 0; i < kWarp; i++) r |= bit[i];
    return r;
}

// sub: 0 plain, 1 and, 2 or, 3 xor with predicate o[4]; o[0] result, o[1] complement result.
template <class A, class F>
void exec_setp(Ctx& c, const Inst& I) {
    u32 r = compare_lanes<A, F>(c, I.o[2], I.o[3]);
    u32 n = ~r;
    if (I.sub) {
        u32 p = pred(c, I.o[4]);
        if (I.sub == 1)
            r &= p, n &= p;
        else if (I.sub == 2)
            r |= p, n |= p;
        else
            r ^= p, n ^= p;
    }
    set_pred(c, I.o[0], r);
    set_pred(c, I.o[1], n);
}

// set: o[0] destination register; sub2 1: f32 result 1.0, else all ones.
template <class A, class F>
void exec_set(Ctx& c, const Inst& I) {
    u32 r = compare_lanes<A, F>(c, I.o[2], I.o[3]);
    if (I.sub) {
        u32 p = pred(c, I.o[4]);
        r = I.sub == 1 ? r & p : I.sub == 2 ? r | p : r ^ p;
    }
    u32* d = slot<u32>(c, I.o[0]);
    u32 one = u32(I.imm);
    for_lanes(c.mask, [&](int i) { d[i] = (r >> i & 1) ? one : 0; });
}

inline bool is_int_type(ptx::Ty t) {
    using ptx::Ty;
    return (t >= Ty::B8 && t <= Ty::S64);
}

// Splits "setp.cmp[.boolop].type" operands into I (shared by the integer and float decoders).
bool decode_compare_operands(Decoder& d, const ptx::Instr& in, Inst& I, ptx::Ty t);

}  // namespace emu
