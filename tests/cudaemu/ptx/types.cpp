#include "tests/cudaemu/ptx/tree.h"

namespace fovea::cudaemu::ptx {

Type parse_type(const std::string& name) {
    static const std::unordered_map<std::string, Type> kTypes = {
        {"pred", Type::Pred},     {"b8", Type::B8},     {"b16", Type::B16},
        {"b32", Type::B32},       {"b64", Type::B64},   {"b128", Type::B128},
        {"u8", Type::U8},         {"u16", Type::U16},   {"u32", Type::U32},
        {"u64", Type::U64},       {"s8", Type::S8},     {"s16", Type::S16},
        {"s32", Type::S32},       {"s64", Type::S64},   {"f16", Type::F16},
        {"f16x2", Type::F16x2},   {"bf16", Type::BF16}, {"bf16x2", Type::BF16x2},
        {"tf32", Type::TF32},     {"f32", Type::F32},   {"f64", Type::F64},
        {"e4m3", Type::E4M3},     {"e5m2", Type::E5M2}, {"e4m3x2", Type::E4M3x2},
        {"e5m2x2", Type::E5M2x2},
    };
    const auto it = kTypes.find(name);
    return it == kTypes.end() ? Type::None : it->second;
}

int type_size(Type t) {
    switch (t) {
        case Type::B8:
        case Type::U8:
        case Type::S8:
        case Type::E4M3:
        case Type::E5M2: return 1;
        case Type::B16:
        case Type::U16:
        case Type::S16:
        case Type::F16:
        case Type::BF16:
        case Type::E4M3x2:
        case Type::E5M2x2: return 2;
        case Type::B64:
        case Type::U64:
        case Type::S64:
        case Type::F64: return 8;
        case Type::B128: return 16;
        default: return 4;
    }
}

}  // namespace fovea::cudaemu::ptx
