// mbarrier: barriers in shared memory that count arrivals and bytes.
#include "tests/cudaemu/isa/mbarrier.h"

#include "tests/cudaemu/machine/access.h"

namespace fovea::cudaemu {

Block* owner_of(Context& c, u32& offset) {
    if (offset < kClusterStride) return c.block;
    const u32 rank = offset / u32(kClusterStride) - 1;
    offset %= u32(kClusterStride);
    return c.block->cluster ? (*c.block->cluster)[rank] : c.block;
}

namespace {

// ---- the 64 bits --------------------------------------------------------------------------------

struct Mbarrier {
    u32 pending, expected;  // arrivals
    i32 bytes;              // to come
    u32 phase;              // 0 or 1
};
constexpr u64 kInvalid = 1ull << 63;  // shared memory is all ones until mbarrier.init

u64 packed(const Mbarrier& m) {
    return u64(m.pending & 0xfffff) | u64(m.expected & 0xfffff) << 20 |
           u64(u32(m.bytes) & 0x3fffff) << 40 | u64(m.phase) << 62;
}
Mbarrier unpacked(u64 v) {
    return {u32(v & 0xfffff), u32(v >> 20 & 0xfffff),
            i32(u32(v >> 40 & 0x3fffff) << 10) >> 10,  // 22 bits, signed
            u32(v >> 62 & 1)};
}

Mbarrier load(Context& c, int lane, const Block* b, u32 offset) {
    if (offset & 7) misaligned(c, lane, offset, 8, "mbarrier");
    if (offset < kSharedStart || offset + 8 > b->smem_size)
        violation(c, lane, kErrIllegalAddress,
                  format("mbarrier at shared offset %d is out of bounds",
                         i32(offset) - i32(kSharedStart)));
    u64 v;
    memcpy(&v, b->smem + offset, 8);
    if (v & kInvalid)
        violation(c, lane, kErrIllegalInstruction, "mbarrier used before mbarrier.init");
    return unpacked(v);
}

// Once nothing is missing, the next phase begins.
void store(Context& c, Block* b, u32 offset, Mbarrier m) {
    if (m.pending == 0 && m.bytes == 0) {
        m.phase ^= 1;
        m.pending = m.expected;
        if (c.check) b->race.mbar_complete(offset);
        for (auto& w : b->warps) w->polls = 0;
    }
    const u64 v = packed(m);
    memcpy(b->smem + offset, &v, 8);
}

// Copies that are to signal this barrier land now.
void land_bulk_copies(Context& c, int lane, Block* b, u32 offset) {
    for (size_t i = 0; i < b->bulk.size();) {
        if (b->bulk[i].mbar != offset) {
            i++;
            continue;
        }
        const BulkCopy copy = std::move(b->bulk[i]);
        b->bulk.erase(b->bulk.begin() + std::ptrdiff_t(i));
        memcpy(b->smem + copy.dst, copy.data.data(), copy.data.size());
        Mbarrier m = load(c, lane, b, offset);
        m.bytes -= i32(copy.data.size());
        store(c, b, offset, m);
    }
}

// ---- the instructions: o[5] the barrier ---------------------------------------------------------

// f(lane, block, offset) for each active lane.
template <class F>
void for_barriers(Context& c, const Instruction& I, F f) {
    u64 addresses[kWarp];
    lane_addresses(c, I, 5, addresses);
    for_lanes(c.mask, [&](int i) {
        u32 offset = shared_offset(addresses[i]);
        Block* b = owner_of(c, offset);
        f(i, b, offset);
    });
}

// o[1]: arrivals.
void exec_init(Context& c, const Instruction& I) {
    const u32* count = slot<u32>(c, I.o[1]);
    for_barriers(c, I, [&](int i, Block* b, u32 offset) {
        if (offset & 7) misaligned(c, i, offset, 8, "mbarrier");
        shared_ptr(c, i, offset, 8);
        const u64 v = packed({count[i], count[i], 0, 0});
        memcpy(b->smem + offset, &v, 8);
        if (c.check) b->race.mbar_forget(offset);
    });
}

void exec_inval(Context& c, const Instruction& I) {
    for_barriers(c, I, [&](int i, Block* b, u32 offset) {
        load(c, i, b, offset);
        memset(b->smem + offset, 0xff, 8);
    });
}

// sub: the sign. o[1]: bytes.
void exec_count_bytes(Context& c, const Instruction& I) {
    const u32* bytes = slot<u32>(c, I.o[1]);
    for_barriers(c, I, [&](int i, Block* b, u32 offset) {
        Mbarrier m = load(c, i, b, offset);
        m.bytes += I.sub ? -i32(bytes[i]) : i32(bytes[i]);
        store(c, b, offset, m);
    });
}

enum ArriveFlags : u16 { kExpectsBytes = 1, kDrops = 2 };

void arrive(Context& c, int lane, Block* b, u32 offset, Mbarrier m, u32 count) {
    if (c.check && b == c.block) b->race.mbar_arrive(int(c.warp->id), offset);
    if (m.pending < count)
        violation(c, lane, kErrIllegalInstruction, "mbarrier arrival count underflow");
    m.pending -= count;
    store(c, b, offset, m);
}

// o[0]: the state before, o[1]: how many arrivals, or how many bytes come with one.
void exec_arrive(Context& c, const Instruction& I) {
    const u32* operand = I.o[1] == kNoSlot ? nullptr : slot<u32>(c, I.o[1]);
    for_barriers(c, I, [&](int i, Block* b, u32 offset) {
        Mbarrier m = load(c, i, b, offset);
        if (I.o[0] != kNoSlot) slot<u64>(c, I.o[0])[i] = packed(m);
        u32 count = operand ? operand[i] : 1;
        if (I.flags & kExpectsBytes) {
            m.bytes += i32(count);
            count = 1;
        }
        if (I.flags & kDrops) m.expected -= count;
        arrive(c, i, b, offset, m, count);
    });
}

// Arrives once the lane's cp.async have landed. sub: noinc; without it, the count is raised by one
// first.
void exec_cp_async_arrive(Context& c, const Instruction& I) {
    land_async_copies(c, -1);
    for_barriers(c, I, [&](int i, Block* b, u32 offset) {
        const Mbarrier m = load(c, i, b, offset);
        if (I.sub)
            arrive(c, i, b, offset, m, 1);
        else if (c.check && b == c.block)
            b->race.mbar_arrive(int(c.warp->id), offset);
    });
}

// o[0]: done, o[1]: the state before, or (sub) the parity of the phase to wait for.
void exec_wait(Context& c, const Instruction& I) {
    u32 done = 0;
    for_barriers(c, I, [&](int i, Block* b, u32 offset) {
        land_bulk_copies(c, i, b, offset);
        const u32 phase =
            I.sub ? slot<u32>(c, I.o[1])[i] & 1 : unpacked(slot<u64>(c, I.o[1])[i]).phase;
        if (load(c, i, b, offset).phase == phase) return;
        done |= 1u << i;
        if (c.check) b->race.mbar_wait(int(c.warp->id), offset);
    });
    set_pred(c, I.o[0], done);
    c.warp->polls = done ? 0 : c.warp->polls + 1;
}

void exec_pending_count(Context& c, const Instruction& I) {
    u32* d = slot<u32>(c, I.o[0]);
    const u64* state = slot<u64>(c, I.o[1]);
    for_lanes(c.mask, [&](int i) { d[i] = unpacked(state[i]).pending; });
}

}  // namespace

bool decode_cp_async_arrive(Decoder& d, const ptx::Instr& in, Instruction& I) {
    I.fn = exec_cp_async_arrive;
    I.sub = in.has("noinc");
    d.address(in.ops[0], I, 5);
    return true;
}

bool decode_mbarrier(Decoder& d, const ptx::Instr& in, Instruction& I) {
    if (in.parts[0] != "mbarrier") return false;
    const std::string& what = in.parts[1];
    I.cls = Class::Async;
    if (what == "init") {
        I.fn = exec_init;
        d.address(in.ops[0], I, 5);
        I.o[1] = d.src_w(in.ops[1], 4);
    } else if (what == "inval") {
        I.fn = exec_inval;
        d.address(in.ops[0], I, 5);
    } else if (what == "expect_tx" || what == "complete_tx") {
        I.fn = exec_count_bytes;
        I.sub = what == "complete_tx";
        d.address(in.ops[0], I, 5);
        I.o[1] = d.src_w(in.ops[1], 4);
    } else if (what == "arrive" || what == "arrive_drop") {
        I.fn = exec_arrive;
        I.flags =
            u16((in.has("expect_tx") ? kExpectsBytes : 0) | (what == "arrive_drop" ? kDrops : 0));
        size_t next = 0;
        if (in.ops[0].kind != ptx::Operand::Addr) {
            I.o[0] = in.ops[0].kind == ptx::Operand::Sink ? kNoSlot : d.dst(in.ops[0]);
            next = 1;
        }
        d.address(in.ops[next], I, 5);
        if (in.ops.size() > next + 1) I.o[1] = d.src_w(in.ops[next + 1], 4);
    } else if (what == "test_wait" || what == "try_wait") {
        I.fn = exec_wait;
        I.kind = Kind::Yield;
        I.sub = in.has("parity");
        I.o[0] = d.pred_dst(in.ops[0]);
        d.address(in.ops[1], I, 5);
        I.o[1] = d.src_w(in.ops[2], I.sub ? 4 : 8);
    } else if (what == "pending_count") {
        I.fn = exec_pending_count;
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], 8);
    } else {
        return false;
    }
    return true;
}

}  // namespace fovea::cudaemu
