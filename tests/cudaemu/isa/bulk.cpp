// cp.async.bulk between global memory and shared memory, and between blocks of a cluster.
#include "tests/cudaemu/isa/mbarrier.h"
#include "tests/cudaemu/machine/access.h"

namespace fovea::cudaemu {

using ptx::Operand;

namespace {

enum Direction : u8 { kGlobalToShared, kSharedToGlobal, kSharedToShared };  // sub

// ext: for each of destination, source and mbarrier a slot, its width and its offset; then the slot
// of the size.
struct AddressOperand {
    u32 slot = kNoSlot, wide = 0, offset = 0;
};
enum Operands { kDestination, kSource, kBarrier };
constexpr u32 kSizeSlot = 9;

u64 operand_address(Context& c, const Instruction& I, Operands which, int lane) {
    const u32* e = c.prog->ext.data() + I.ext + 3 * which;
    const u64 base = e[1] ? slot<u64>(c, e[0])[lane] : slot<u32>(c, e[0])[lane];
    return base + u64(i64(i32(e[2])));
}

void store_to_global(Context& c, int lane, u64 dst, u64 src, u32 bytes) {
    const u32 offset = shared_offset(src);
    const u8* p = shared_ptr(c, lane, offset, bytes);
    u64 a[kWarp];
    a[lane] = dst;
    check_global(c, a, 1u << lane, bytes, true);
    if (c.check)
        for (u32 k = 0; k < bytes; k += 16)
            race_access(c, lane, offset + k, 16, false, false, false);
    memcpy(reinterpret_cast<void*>(dst), p, bytes);
    if (c.stats) stats_bulk_access(c.worker->st, dst, bytes, true);
}

const u8* source_bytes(Context& c, int lane, u64 src, u32 bytes, Direction direction) {
    if (direction == kSharedToShared) return shared_ptr(c, lane, shared_offset(src), bytes);
    u64 a[kWarp];
    a[lane] = src;
    check_global(c, a, 1u << lane, bytes, false);
    if (c.stats) stats_bulk_access(c.worker->st, src, bytes, false);
    return reinterpret_cast<const u8*>(src);
}

void exec_bulk(Context& c, const Instruction& I) {
    const u32* sizes = slot<u32>(c, c.prog->ext[I.ext + kSizeSlot]);
    for_lanes(c.mask, [&](int i) {
        const u64 dst = operand_address(c, I, kDestination, i);
        const u64 src = operand_address(c, I, kSource, i);
        const u32 bytes = sizes[i];
        for (u64 v : {dst, src, u64(bytes)})
            if (v & 15) misaligned(c, i, v, 16, "cp.async.bulk");
        if (I.sub == kSharedToGlobal) return store_to_global(c, i, dst, src, bytes);

        u32 offset = shared_offset(dst);
        u32 barrier = shared_offset(operand_address(c, I, kBarrier, i));
        Block* b = owner_of(c, offset);
        owner_of(c, barrier);
        if (offset < kSharedStart || offset + bytes > b->smem_size)
            violation(c, i, kErrIllegalAddress, "cp.async.bulk destination out of bounds");
        const u8* p = source_bytes(c, i, src, bytes, Direction(I.sub));
        b->bulk.push_back({barrier, offset, std::vector<u8>(p, p + bytes)});
    });
}

void exec_nothing(Context&, const Instruction&) {}

}  // namespace

bool decode_bulk(Decoder& d, const ptx::Instr& in, Instruction& I) {
    if (in.has("commit_group") || in.has("wait_group") || in.has("prefetch")) {
        I.fn = exec_nothing;
        return true;
    }
    if (in.has("tensor") || in.has("multicast::cluster") || in.has("cp_mask")) return false;
    std::vector<bool> global;  // of the two spaces, the destination first
    for (const std::string& p : in.parts)
        if (p == "global" || p.substr(0, 6) == "shared") global.push_back(p == "global");
    if (global.size() < 2) return false;
    I.sub = global[0] ? kSharedToGlobal : global[1] ? kGlobalToShared : kSharedToShared;
    I.fn = exec_bulk;

    auto address = [&](const Operand& o) {
        Instruction t;
        d.address(o, t, 5);
        return AddressOperand{t.o[5], t.a64, u32(i32(t.imm))};
    };
    AddressOperand operands[3] = {address(in.ops[0]), address(in.ops[1]), {}};
    if (I.sub != kSharedToGlobal) operands[kBarrier] = address(in.ops[3]);
    const u32 size = d.src_w(in.ops[2], 4);
    I.ext = d.ext_begin();
    for (const AddressOperand& o : operands) {
        d.ext_push(o.slot);
        d.ext_push(o.wide);
        d.ext_push(o.offset);
    }
    d.ext_push(size);
    return true;
}

}  // namespace fovea::cudaemu
