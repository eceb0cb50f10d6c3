// Addresses: cvta, isspacep, mapa, getctarank; and the hints prefetch, createpolicy and the like.
#include "tests/cudaemu/decode/decoder.h"
#include "tests/cudaemu/isa/memory.h"
#include "tests/cudaemu/machine/access.h"

namespace fovea::cudaemu {

using ptx::Operand;
using ptx::Space;

namespace {

void exec_add_offset(Context& c, const Instruction& I) {
    u64* d = slot<u64>(c, I.o[0]);
    const u64* a = slot<u64>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) { d[i] = a[i] + u64(I.imm); });
}

void exec_isspacep(Context& c, const Instruction& I) {
    const u64* a = slot<u64>(c, I.o[1]);
    u32 r = 0;
    for (int i = 0; i < kWarp; i++) {
        const bool shared = in_shared_window(a[i]), local = a[i] - kLocalWindow < kLocalWindowSize;
        const bool is = I.space == Space::Shared   ? shared
                        : I.space == Space::Local  ? local
                        : I.space == Space::Global ? !shared && !local
                                                   : false;
        r |= u32(is) << i;
    }
    set_pred(c, I.o[0], r);
}

// The address of a kernel's parameter.
void exec_param_address(Context& c, const Instruction& I) {
    u64* d = slot<u64>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) { d[i] = u64(c.launch->params.data()) + u64(I.imm); });
}

// The same offset in the shared memory of another block of the cluster. sub: shared::cluster
// addresses.
template <class T>
void exec_mapa(Context& c, const Instruction& I) {
    T* d = slot<T>(c, I.o[0]);
    const T* a = slot<T>(c, I.o[1]);
    const u32* rank = slot<u32>(c, I.o[2]);
    const T base = sizeof(T) == 4 || I.sub ? T(0) : T(kSharedWindow), stride = T(kClusterStride);
    for_lanes(c.mask,
              [&](int i) { d[i] = base + (a[i] - base) % stride + (rank[i] + 1) * stride; });
}

template <class T>
void exec_getctarank(Context& c, const Instruction& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const T* addr = slot<T>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) {
        const u64 a = sizeof(T) == 4 || I.sub ? addr[i] : addr[i] - kSharedWindow;
        d[i] = a >= kClusterStride ? u32(a / kClusterStride) - 1 : c.block->cluster_rank;
    });
}

void exec_nothing(Context&, const Instruction&) {}
void exec_zero(Context& c, const Instruction& I) {
    u64* d = slot<u64>(c, I.o[0]);
    for_lanes(c.mask, [&](int i) { d[i] = 0; });
}

void decode_param_address(Decoder& d, const ptx::Instr& in, Instruction& I) {
    I.fn = exec_param_address;
    I.o[0] = d.dst(in.ops[0]);
    I.imm = i64(d.param_offset(in.ops[1].var)) + in.ops[1].imm;
}

bool decode_cvta(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const bool to = in.parts[1] == "to";  // from a generic address to one of the space
    Space s = Space::Generic;
    if (!parse_space(in.parts[to ? 2 : 1], s)) return false;
    const bool symbol = in.ops[1].kind == Operand::Sym;
    if (s == Space::Param && symbol) {
        decode_param_address(d, in, I);
        return true;
    }
    if (s == Space::Local && symbol && !d.function().entry)
        d.unsupported(in, "cvta.local of a symbol in a device function");
    const u64 window = s == Space::Shared ? kSharedWindow : s == Space::Local ? kLocalWindow : 0;
    I.fn = exec_add_offset;
    I.imm = to ? -i64(window) : i64(window);
    I.o[0] = d.dst(in.ops[0]);
    I.o[1] = d.src_w(in.ops[1], 8);
    return true;
}

}  // namespace

bool decode_address(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const std::string& op = in.parts[0];
    const bool wide = in.parts.back() == "u64";
    if (op == "cvta") return decode_cvta(d, in, I);
    if (op == "isspacep") {
        if (!parse_space(in.parts[1], I.space)) return false;
        I.fn = exec_isspacep;
        I.o[0] = d.pred_dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], 8);
        return true;
    }
    if (op == "mapa") {
        I.fn = wide ? exec_mapa<u64> : exec_mapa<u32>;
        I.sub = in.has("shared::cluster");
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], wide ? 8 : 4);
        I.o[2] = d.src_w(in.ops[2], 4);
        return true;
    }
    if (op == "getctarank") {
        I.fn = wide ? exec_getctarank<u64> : exec_getctarank<u32>;
        I.sub = in.has("shared::cluster");
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], wide ? 8 : 4);
        return true;
    }
    if (op == "prefetch" || op == "prefetchu" || op == "applypriority" || op == "discard") {
        I.fn = exec_nothing;
        I.cls = Class::Other;
        return true;
    }
    if (op == "createpolicy") {
        I.fn = exec_zero;
        I.o[0] = d.dst(in.ops[0]);
        return true;
    }
    if (op == "mov" && in.ops[1].kind == Operand::Sym && d.is_kernel_param(in.ops[1].var)) {
        decode_param_address(d, in, I);
        return true;
    }
    return false;
}

}  // namespace fovea::cudaemu
