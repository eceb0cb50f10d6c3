// Element types of tensors, shared by host and device code.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fovea {

enum class DType : std::uint8_t { F32, F64, F16, BF16, I64, I32, U8, Bool };

/// Size of one element in bytes.
constexpr std::size_t size_of(DType t) {
    switch (t) {
        case DType::F64:
        case DType::I64: return 8;
        case DType::F32:
        case DType::I32: return 4;
        case DType::F16:
        case DType::BF16: return 2;
        case DType::U8:
        case DType::Bool: return 1;
    }
    return 0;
}

/// Name as safetensors spells it: "F32", "BF16", "I64", ...
constexpr const char* name_of(DType t) {
    switch (t) {
        case DType::F32: return "F32";
        case DType::F64: return "F64";
        case DType::F16: return "F16";
        case DType::BF16: return "BF16";
        case DType::I64: return "I64";
        case DType::I32: return "I32";
        case DType::U8: return "U8";
        case DType::Bool: return "BOOL";
    }
    return "?";
}

constexpr bool is_floating(DType t) {
    return t == DType::F32 || t == DType::F64 || t == DType::F16 || t == DType::BF16;
}

/// What statistics beside numbers of type t are kept in (means, log-sum-exps, losses): F32 for the
/// 16-bit types, else t itself.
constexpr DType wide(DType t) { return t == DType::F16 || t == DType::BF16 ? DType::F32 : t; }

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
    static constexpr DType value = DType::F32;
};
template <>
struct DTypeOf<double> {
    static constexpr DType value = DType::F64;
};
template <>
struct DTypeOf<std::int64_t> {
    static constexpr DType value = DType::I64;
};
template <>
struct DTypeOf<std::int32_t> {
    static constexpr DType value = DType::I32;
};
template <>
struct DTypeOf<std::uint8_t> {
    static constexpr DType value = DType::U8;
};

}  // namespace fovea
