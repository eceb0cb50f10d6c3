#include "tests/cudaemu/isa/fragment.h"

#include <array>
#include <map>
#include <mutex>

namespace fovea::cudaemu {

using ptx::Type;

Element element_of(const std::string& type) {
    static const std::unordered_map<std::string, Element> kElements = {
        {"f16", Element::F16},   {"bf16", Element::BF16}, {"tf32", Element::TF32},
        {"f64", Element::F64},   {"s8", Element::S8},     {"u8", Element::U8},
        {"s4", Element::S4},     {"u4", Element::U4},     {"e4m3", Element::E4M3},
        {"e5m2", Element::E5M2}, {"f32", Element::F32},   {"s32", Element::S32}};
    const auto it = kElements.find(type);
    return it == kElements.end() ? Element::Unknown : it->second;
}

int bits_of(Element e) {
    switch (e) {
        case Element::F64: return 64;
        case Element::F16:
        case Element::BF16: return 16;
        case Element::S8:
        case Element::U8:
        case Element::E4M3:
        case Element::E5M2: return 8;
        case Element::S4:
        case Element::U4: return 4;
        default: return 32;
    }
}

namespace {

struct Place {
    int row, col;
};

// place(g, t, i): of element i of lane 4 g + t.
template <class F>
Fragment make_fragment(int rows, int cols, int n, F&& place) {
    Fragment m;
    m.rows = rows;
    m.cols = cols;
    m.n = n;
    for (int lane = 0; lane < kWarp; lane++)
        for (int i = 0; i < n; i++) {
            const Place p = place(lane / 4, lane % 4, i);
            m.r[lane][i] = u8(p.row);
            m.c[lane][i] = u8(p.col);
        }
    return m;
}

}  // namespace

const FragmentsOfMma* mma_fragments(int m, int n, int k, int bits) {
    static std::map<std::array<int, 4>, FragmentsOfMma> cache;
    static std::mutex mutex;
    const int pack = bits >= 32 ? 1 : 32 / bits;  // neighbours along k share a register
    const int per_register = 4 * pack;            // elements along k that one register covers
    if (n != 8 || (m != 8 && m != 16) || k % per_register) return nullptr;
    std::lock_guard lock(mutex);
    const auto [it, fresh] = cache.try_emplace(std::array{m, n, k, bits});
    FragmentsOfMma& f = it->second;
    if (!fresh) return &f;

    // A: registers alternate between rows g and g + 8, if there are 16, then move on along k.
    f.a = make_fragment(m, k, m * k / kWarp, [&](int g, int t, int i) {
        const int reg = i / pack, halves = m / 8;
        return Place{g + 8 * (reg % halves), reg / halves * per_register + t * pack + i % pack};
    });
    f.b = make_fragment(k, 8, k * 8 / kWarp, [&](int g, int t, int i) {
        return Place{i / pack * per_register + t * pack + i % pack, g};
    });
    f.c = make_fragment(m, 8, m * 8 / kWarp, [](int g, int t, int i) {
        return Place{g + 8 * (i / 2), t * 2 + i % 2};
    });
    return &f;
}

const Fragment* wmma_fragment(int rows, int cols, int elements) {
    static std::map<std::array<int, 3>, Fragment> cache;
    static std::mutex mutex;
    std::lock_guard lock(mutex);
    const auto [it, fresh] = cache.try_emplace(std::array{rows, cols, elements});
    if (!fresh) return &it->second;
    if (rows == 16 && cols == 16) {
        it->second = make_fragment(rows, cols, elements, [](int g, int t, int i) {
            i %= 8;
            return Place{g + 8 * (i / 2 % 2), t * 2 + i % 2 + 8 * (i / 4)};
        });
    } else {
        const int distinct = rows * cols / kWarp;
        it->second = make_fragment(rows, cols, elements, [&](int g, int t, int i) {
            const int e = (g * 4 + t) * distinct + i % distinct;
            return Place{e / cols, e % cols};
        });
    }
    return &it->second;
}

}  // namespace fovea::cudaemu
