// wmma.load, wmma.store, wmma.mma.
#include <mutex>

#include "tests/cudaemu/isa/tensor.h"
#include "tests/cudaemu/machine/access.h"

namespace fovea::cudaemu {

namespace {

struct WmmaTransfer {
    const Fragment* fragment;
    bool store, by_columns;
};

// Instructions refer to them for as long as the process lives.
i64 keep(const WmmaTransfer& t) {
    static auto* transfers = new std::vector<std::unique_ptr<WmmaTransfer>>;
    static std::mutex mutex;
    std::lock_guard lock(mutex);
    transfers->push_back(std::make_unique<WmmaTransfer>(t));
    return i64(transfers->back().get());
}

// The lanes' addresses of one element, for the statistics.
struct Touched {
    u64 global[kWarp];
    u32 shared[kWarp];
    u32 global_lanes = 0, shared_lanes = 0;
};

// Moves an element between memory and the bits of its register.
void transfer(u8* memory, u8* bits, u32 bytes, bool store) {
    memcpy(store ? memory : bits, store ? bits : memory, bytes);
}

// ext: the registers; o[0]: the distance of rows (or columns) in elements; o[4]: a constant, the
// WmmaTransfer; esz: bytes of an element.
void exec_transfer(Context& c, const Instruction& I) {
    const WmmaTransfer& w = *reinterpret_cast<const WmmaTransfer*>(slot<u64>(c, I.o[4])[0]);
    const Fragment& f = *w.fragment;
    const u32* registers = c.prog->ext.data() + I.ext;
    const u32* strides = I.o[0] == kNoSlot ? nullptr : slot<u32>(c, I.o[0]);
    const u32 bytes = I.esz, lane_bytes = bytes == 8 ? 8 : 4, pack = lane_bytes / bytes;
    u64 base[kWarp];
    lane_addresses(c, I, 5, base);

    for (int i = 0; i < f.n; i++) {
        u8* reg = slot<u8>(c, registers[u32(i) / pack]) + u32(i) % pack * bytes;
        Touched touched;
        for (int l = 0; l < kWarp; l++) {
            const u64 stride = strides ? strides[l] : u64(w.by_columns ? f.rows : f.cols);
            const u64 index =
                w.by_columns ? f.c[l][i] * stride + f.r[l][i] : f.r[l][i] * stride + f.c[l][i];
            const u64 addr = base[l] + index * bytes;
            if (addr % bytes) misaligned(c, l, addr, bytes, "wmma");
            u8* const bits = reg + u32(l) * lane_bytes;
            if (I.space == ptx::Space::Shared || in_shared_window(addr)) {
                const u32 offset = shared_offset(addr);
                u8* p = shared_ptr(c, l, offset, bytes);
                if (c.check)
                    race_access(c, l, offset, bytes, w.store, false,
                                w.store && memcmp(p, bits, bytes) == 0);
                transfer(p, bits, bytes, w.store);
                touched.shared[l] = offset;
                touched.shared_lanes |= 1u << l;
            } else {
                transfer(generic_ptr(c, l, addr, bytes, w.store), bits, bytes, w.store);
                touched.global[l] = addr;
                touched.global_lanes |= 1u << l;
            }
        }
        if (!c.stats || u32(i) % pack) continue;  // neighbours in a register move together
        WorkerStats& st = c.worker->st;
        if (touched.global_lanes)
            stats_global_access(st, touched.global, touched.global_lanes, bytes, w.store);
        if (touched.shared_lanes)
            stats_shared_access(st, touched.shared, touched.shared_lanes, bytes);
    }
}

// The fragment of operand 'a', 'b', 'c' or 'd'.
const Fragment* fragment_of(char operand, const TensorProduct& p, Element e) {
    const bool a = operand == 'a', b = operand == 'b';
    if (e == Element::F64) {
        const FragmentsOfMma* f = mma_fragments(8, 8, 4, 64);
        return a ? &f->a : b ? &f->b : &f->c;
    }
    const int rows = b ? p.k : p.m, cols = a ? p.k : p.n;
    const bool copies = (a || b) && e == Element::F16;
    return wmma_fragment(rows, cols, copies ? 16 : rows * cols / kWarp);
}

bool decode_product(Decoder& d, const ptx::Instr& in, Instruction& I, TensorProduct p,
                    const std::vector<std::string>& types) {
    if (types.size() == 2) {  // f16 operands are not named
        p.td = element_of(types[0]);
        p.ta = p.tb = Element::F16;
        p.tc = element_of(types[1]);
    } else if (types.size() == 4) {
        p.td = element_of(types[0]);
        p.ta = element_of(types[1]);
        p.tb = element_of(types[2]);
        p.tc = element_of(types[3]);
    } else {
        return false;
    }
    p.saturate = in.has("satfinite");
    p.a = fragment_of('a', p, p.ta);
    p.b = fragment_of('b', p, p.tb);
    p.c = fragment_of('c', p, p.ta == Element::F64 ? Element::F64 : p.tc);
    decode_tensor_product(d, in, I, p);
    return true;
}

// wmma.load.a.sync.aligned.row.m16n16k16.global.f16 {..}, [p], stride; store has the address first.
bool decode_transfer(Decoder& d, const ptx::Instr& in, Instruction& I, const TensorProduct& p,
                     const std::vector<std::string>& types) {
    if (types.size() != 1 || bits_of(element_of(types[0])) < 8) return false;
    const Element e = element_of(types[0]);
    const bool store = in.parts[1] == "store";
    const WmmaTransfer transfer{fragment_of(in.parts[2][0], p, e), store, in.has("col")};
    ptx::Operand pointer;
    pointer.kind = ptx::Operand::Imm;
    pointer.imm = keep(transfer);
    const bool shared = in.has("shared") || in.has("shared::cta");
    I.fn = exec_transfer;
    I.kind = Kind::Sync;
    I.cls = shared ? (store ? Class::StShared : Class::LdShared)
                   : (store ? Class::StGlobal : Class::LdGlobal);
    I.space = shared ? ptx::Space::Shared : ptx::Space::Generic;
    I.esz = u8(bits_of(e) / 8);
    I.o[4] = d.src_w(pointer, 8);
    I.ext = d.ext_begin();
    push_registers(d, in.ops[store ? 1 : 0], !store, I.esz == 8 ? 8 : 4);
    d.address(in.ops[store ? 0 : 1], I, 5);
    if (in.ops.size() > 2) I.o[0] = d.src_w(in.ops[2], 4);
    return true;
}

}  // namespace

bool decode_wmma(Decoder& d, const ptx::Instr& in, Instruction& I) {
    if (in.parts[0] != "wmma") return false;
    TensorProduct p;
    bool shape = false;
    for (const std::string& part : in.parts) {
        shape |= parse_shape(part, p);
        if (part == "b1" || part == "xor") return false;
    }
    if (!shape) return false;
    const std::string& what = in.parts[1];
    if (what == "mma") return decode_product(d, in, I, p, element_types(in));
    if (what == "load" || what == "store") return decode_transfer(d, in, I, p, element_types(in));
    return false;
}

}  // namespace fovea::cudaemu
