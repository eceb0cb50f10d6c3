// cp.async: the data leaves global memory at once and lands in shared memory when it is waited for.
#include "tests/cudaemu/decode/decoder.h"
#include "tests/cudaemu/isa/mbarrier.h"
#include "tests/cudaemu/machine/access.h"

namespace fovea::cudaemu {

using ptx::Operand;
using ptx::Type;

namespace {

// o[5] + imm the destination, o[0] + ext the source, o[1] how many bytes of it are read (the rest
// becomes zero), o[2] a predicate to read none; esz: bytes.
void exec_cp_async(Context& c, const Instruction& I) {
    const u32 bytes = I.esz;
    u64 to[kWarp], from[kWarp];
    lane_addresses(c, I, 5, to);
    const u64* source = slot<u64>(c, I.o[0]);
    const u32* sizes = I.o[1] == kNoSlot ? nullptr : slot<u32>(c, I.o[1]);
    const u32 ignore = I.o[2] == kNoSlot ? 0 : pred(c, I.o[2]);
    Warp& w = *c.warp;
    w.async.emplace_back();
    AsyncCopy& copy = w.async.back();
    copy.mask = c.mask;
    copy.bytes = bytes;

    u32 reading = 0;
    for_lanes(c.mask, [&](int i) {
        const u32 n = (ignore >> i & 1) ? 0 : sizes ? sizes[i] : bytes;
        if (n > bytes)
            violation(c, i, kErrIllegalInstruction,
                      format("cp.async source size %u exceeds copy size %u", n, bytes));
        const u32 offset = shared_offset(to[i]);
        if (offset & (bytes - 1)) misaligned(c, i, offset, bytes, "cp.async shared");
        shared_ptr(c, i, offset, bytes);
        copy.dst[i] = offset;
        copy.group[i] = w.commit[i];
        memset(copy.data[i], 0, sizeof(copy.data[i]));
        from[i] = source[i] + u64(i64(i32(I.ext)));
        if (n) {
            if (from[i] & (bytes - 1)) misaligned(c, i, from[i], bytes, "cp.async global");
            check_global(c, from, 1u << i, n, false);
            memcpy(copy.data[i], reinterpret_cast<void*>(from[i]), n);
            reading |= 1u << i;
        }
        if (c.check) {
            race_access(c, i, offset, bytes, true, false, false);
            c.block->race.pending(offset, bytes, w.id * kWarp + u32(i), true);
        }
    });
    if (!c.stats) return;
    if (reading) stats_global_access(c.worker->st, from, reading, bytes, false);
    stats_shared_access(c.worker->st, copy.dst, c.mask, bytes);
}

void exec_commit(Context& c, const Instruction&) {
    for_lanes(c.mask, [&](int i) { c.warp->commit[i]++; });
}

// imm: groups that may stay in flight; -1: none, committed or not.
void exec_wait(Context& c, const Instruction& I) { land_async_copies(c, I.imm); }

bool decode_copy(Decoder& d, const ptx::Instr& in, Instruction& I) {
    Instruction source;
    d.address(in.ops[1], source, 5);
    if (!source.a64) d.unsupported(in, "32-bit global address");
    I.fn = exec_cp_async;
    I.o[0] = source.o[5];
    I.ext = u32(i32(source.imm));
    d.address(in.ops[0], I, 5);
    I.esz = u8(in.ops[2].imm);
    const bool only_hint = in.has("L2::cache_hint") && in.ops.size() == 4;
    if (in.ops.size() <= 3 || only_hint) return true;
    const Operand& o = in.ops[3];
    if (o.kind == Operand::Reg && d.reg_type(o.reg) == Type::Pred)
        I.o[2] = d.pred_src(o);
    else
        I.o[1] = d.src_w(o, 4);
    return true;
}

}  // namespace

void land_async_copies(Context& c, i64 keep) {
    Warp& w = *c.warp;
    for (AsyncCopy& copy : w.async)
        for_lanes(copy.mask & c.mask, [&](int i) {
            if (keep >= 0 && copy.group[i] + u64(keep) >= w.commit[i]) return;
            memcpy(c.block->smem + copy.dst[i], copy.data[i], copy.bytes);
            if (c.check)
                c.block->race.pending(copy.dst[i], copy.bytes, w.id * kWarp + u32(i), false);
            copy.mask &= ~(1u << i);
        });
    while (!w.async.empty() && !w.async.front().mask) w.async.pop_front();
}

bool decode_cp_async(Decoder& d, const ptx::Instr& in, Instruction& I) {
    if (in.parts.size() < 3 || in.parts[0] != "cp" || in.parts[1] != "async") return false;
    const std::string& what = in.parts[2];
    I.cls = Class::Async;
    if (what == "bulk") return decode_bulk(d, in, I);
    if (what == "mbarrier") return decode_cp_async_arrive(d, in, I);
    if (what == "ca" || what == "cg") return decode_copy(d, in, I);
    if (what == "commit_group") {
        I.fn = exec_commit;
        return true;
    }
    if (what != "wait_group" && what != "wait_all") return false;
    I.fn = exec_wait;
    I.imm = what == "wait_all" ? -1 : in.ops[0].imm;
    return true;
}

}  // namespace fovea::cudaemu
