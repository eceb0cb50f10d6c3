// Barriers: bar and barrier (of a block), bar.warp, barrier.cluster.
#include "tests/cudaemu/decode/decoder.h"
#include "tests/cudaemu/machine/lanes.h"

namespace fovea::cudaemu {

using ptx::Type;

namespace {

// o[0] the result of a reduction, o[1] the barrier's number, o[2] the count of threads, o[3] the
// predicate to reduce. sub: BarOp.
void exec_bar(Context& c, const Instruction& I) {
    const BarOp op = BarOp(I.sub);
    const u32* ids = slot<u32>(c, I.o[1]);
    const u32* count = I.o[2] == kNoSlot ? nullptr : slot<u32>(c, I.o[2]);
    Warp& w = *c.warp;
    for (u32 left = c.mask; left;) {  // lanes may name different barriers
        const int first = std::countr_zero(left);
        const u32 id = ids[first];
        u32 lanes = 0;
        for_lanes(left, [&](int i) {
            if (ids[i] == id) lanes |= 1u << i;
        });
        left &= ~lanes;
        if (op != BarOp::Sync && op != BarOp::Arrive && id < 16) {
            const u32 p = pred(c, I.o[3]) & lanes;
            NamedBarrier& b = c.block->bars[id];
            if (p != lanes) b.red_and = 0;
            if (p) b.red_or = 1;
            b.red_popc += u32(std::popcount(p));
        }
        if (op == BarOp::Arrive) for_lanes(lanes, [&](int i) { w.pc[i]++; });
        c.block->barrier_arrive(c, w, lanes, id, count ? count[first] : 0, op != BarOp::Arrive);
    }
}

void exec_warp_bar(Context& c, const Instruction&) {
    if (c.check) c.block->race.warp_sync(int(c.warp->id));
}

// ---- clusters: block 0 counts the threads that arrive -------------------------------------------

constexpr int kClusterClock = 15;  // the race detector's stand-in for a barrier

Block* first_block(Context& c) { return c.block->cluster ? (*c.block->cluster)[0] : c.block; }

void exec_cluster_arrive(Context& c, const Instruction&) {
    Block* first = first_block(c);
    Block* mine = c.block;
    c.warp->cluster_phase = first->cluster_gen;
    first->cluster_arrived += u32(std::popcount(c.mask));
    if (c.check && mine->cluster_size > 1) mine->race.bar_arrive(int(c.warp->id), kClusterClock);
    if (first->cluster_arrived < mine->nthreads * mine->cluster_size) return;

    first->cluster_arrived = 0;
    first->cluster_gen++;
    if (mine->cluster)
        for (Block* b : *mine->cluster)
            for (auto& w : b->warps) w->cluster_wait = false;
    if (c.check && mine->cluster_size == 1) {  // as a barrier of the block
        for (int w = 0; w < int(mine->nwarps); w++) mine->race.bar_arrive(w, 0);
        for (int w = 0; w < int(mine->nwarps); w++) mine->race.bar_release(w, 0);
    }
}

// Polls: the scheduler runs the other warps and blocks in between. o[0]: done.
void exec_cluster_wait(Context& c, const Instruction& I) {
    const bool done = first_block(c)->cluster_gen != c.warp->cluster_phase;
    set_pred(c, I.o[0], done ? kFull : 0);
    if (!done) return;
    c.warp->polls = 0;
    if (c.check && c.block->cluster_size > 1)
        c.block->race.bar_release(int(c.warp->id), kClusterClock);
}

bool decode_cluster(Decoder& d, const ptx::Instr& in, Instruction& I) {
    I.cls = Class::Barrier;
    if (in.has("arrive")) {
        I.fn = exec_cluster_arrive;
        return true;
    }
    I.fn = exec_cluster_wait;
    I.kind = Kind::Yield;
    I.o[0] = d.scratch(4);
    d.emit_poll(I);
    return true;
}

}  // namespace

bool decode_barrier(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const std::string& op = in.parts[0];
    if ((op != "bar" && op != "barrier") || in.parts.size() < 2) return false;
    if (in.parts[1] == "cluster") return decode_cluster(d, in, I);
    const std::string& what = in.parts[in.parts[1] == "cta" ? 2 : 1];
    I.cls = Class::Barrier;
    if (what == "warp") {
        I.kind = Kind::Sync;
        I.fn = exec_warp_bar;
        I.member = d.src(in.ops[0], Type::B32);
        return true;
    }

    I.kind = Kind::Bar;
    I.fn = exec_bar;
    I.flags = op == "bar" || in.has("aligned") ? kAlignedBarrier : 0;
    if (what == "sync" || what == "arrive") {
        I.sub = u8(what == "arrive" ? BarOp::Arrive : BarOp::Sync);
        I.o[1] = d.src(in.ops[0], Type::U32);
        if (in.ops.size() > 1) I.o[2] = d.src(in.ops[1], Type::U32);
        return true;
    }
    if (what != "red") return false;
    const BarOp reduction = in.has("and") ? BarOp::And : in.has("or") ? BarOp::Or : BarOp::Popc;
    I.sub = u8(reduction);
    I.o[0] = reduction == BarOp::Popc ? d.dst(in.ops[0]) : d.pred_dst(in.ops[0]);
    I.o[1] = d.src(in.ops[1], Type::U32);
    if (in.ops.size() > 3) I.o[2] = d.src(in.ops[2], Type::U32);
    I.o[3] = d.pred_src(in.ops.back());
    return true;
}

}  // namespace fovea::cudaemu
