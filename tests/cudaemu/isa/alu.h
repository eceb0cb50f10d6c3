// Arithmetic on all lanes: F::f(a, b, ...) for each of them. Lanes that do not take part compute
// too, which costs nothing, and keep their old value.
#pragma once

#include <utility>

#include "tests/cudaemu/decode/decoder.h"
#include "tests/cudaemu/machine/lanes.h"

namespace fovea::cudaemu {

template <class F, class R, class... A>
void apply(u32 mask, lane_t<R>* d, const lane_t<A>*... a) {
    if (mask == kFull) {
#pragma GCC ivdep
        for (int i = 0; i < kWarp; i++) d[i] = put<R>(F::f(get<A>(a[i])...));
    } else {
        alignas(64) lane_t<R> t[kWarp];
#pragma GCC ivdep
        for (int i = 0; i < kWarp; i++) t[i] = put<R>(F::f(get<A>(a[i])...));
        store_masked(d, t, mask);
    }
}

/// o[0] of type R = F::f(o[1], o[2], ...) of types A.
template <class F, class R, class... A>
void exec(Context& c, const Instruction& I) {
    [&]<size_t... k>(std::index_sequence<k...>) {
        apply<F, R, A...>(c.mask, slot<lane_t<R>>(c, I.o[0]),
                          slot<const lane_t<A>>(c, I.o[1 + k])...);
    }
    (std::index_sequence_for<A...>{});
}

inline bool is_int_type(ptx::Type t) { return t >= ptx::Type::B8 && t <= ptx::Type::S64; }
inline bool is_signed_type(ptx::Type t) { return t >= ptx::Type::S8 && t <= ptx::Type::S64; }

/// g(std::type_identity<T>) with the C++ type of an integer or bit type; null for others.
template <class G>
ExecFn for_integer(ptx::Type t, G g) {
    using ptx::Type;
    switch (t) {
        case Type::U8:
        case Type::B8: return g(std::type_identity<u8>{});
        case Type::S8: return g(std::type_identity<i8>{});
        case Type::U16:
        case Type::B16: return g(std::type_identity<u16>{});
        case Type::S16: return g(std::type_identity<i16>{});
        case Type::U32:
        case Type::B32: return g(std::type_identity<u32>{});
        case Type::S32: return g(std::type_identity<i32>{});
        case Type::U64:
        case Type::B64: return g(std::type_identity<u64>{});
        case Type::S64: return g(std::type_identity<i64>{});
        default: return nullptr;
    }
}

}  // namespace fovea::cudaemu
