// A block: its warps take turns, and meet at barriers.
#include <algorithm>

#include "tests/cudaemu/machine/config.h"
#include "tests/cudaemu/machine/state.h"

namespace fovea::cudaemu {

constexpr u32 kHopelessPolls = 200000;  // of an mbarrier by one warp

void Block::start(const Launch* l, Worker* w, u32 index) {
    launch = l;
    worker = w;
    linear = index;
    ctaid[0] = index % l->grid[0];
    ctaid[1] = index / l->grid[0] % l->grid[1];
    ctaid[2] = index / (l->grid[0] * l->grid[1]);
    nthreads = l->block[0] * l->block[1] * l->block[2];
    nwarps = (nthreads + kWarp - 1) / kWarp;
    cursor = config().seed ? w->rng.below(nwarps) : 0;

    cluster = nullptr;
    cluster_size = l->cluster_blocks();
    for (int k = 0; k < 3; k++) cluster_ctaid[k] = ctaid[k] % l->cluster[k];
    cluster_rank =
        cluster_ctaid[0] + l->cluster[0] * (cluster_ctaid[1] + l->cluster[1] * cluster_ctaid[2]);
    cluster_arrived = cluster_gen = 0;

    smem_size = l->image->dyn_shared_off + l->dyn_smem;
    if (smem_cap < smem_size + 16) {
        free(smem);
        smem_cap = align_up(smem_size + 16, 4096);
        smem = static_cast<u8*>(aligned_alloc(4096, smem_cap));
    }
    memset(smem, 0xff, smem_size);  // NaN: reads of what nobody wrote show in the results
    bulk.clear();
    for (auto& b : bars) b = NamedBarrier{};
    if (config().check) race.start(smem_size, int(nwarps));

    while (warps.size() < nwarps) warps.push_back(std::make_unique<Warp>());
    for (u32 k = 0; k < nwarps; k++) start_warp(k);
}

void Block::start_warp(u32 k) {
    const KernelImage& image = *launch->image;
    const Program* kernel = image.programs[0].get();
    const u32 threads = std::min<u32>(kWarp, nthreads - k * kWarp);
    Warp& w = *warps[k];
    w.block = this;
    w.id = k;
    w.live = threads == kWarp ? kFull : (1u << threads) - 1;
    w.wait_sync = w.wait_bar = 0;
    w.yields = w.polls = 0;
    w.insts = 0;
    w.rotate = w.cluster_wait = false;
    w.async.clear();
    for (auto& f : w.frames) f->live = 0;
    Frame* f = w.get_frame(kernel, 0);
    f->live = w.live;
    for (int i = 0; i < kWarp; i++) {
        w.pc[i] = 0;
        w.fr[i] = f;
        w.commit[i] = 0;
        f->local_base[i] = 0;
    }
    for (const SRegSlot& s : kernel->sregs)
        if (s.id == SR::local_base) memset(f->regs + s.slot, 0, sizeof(u64) * kWarp);
    if (image.local_per_thread) w.local.assign(size_t(image.local_per_thread) * kWarp, 0xff);
}

// ---- barriers -----------------------------------------------------------------------------------

// Lanes of w that wait at barrier `id`.
static u32 waiting_at(const Warp& w, u32 id) {
    u32 lanes = 0;
    for_lanes(w.wait_bar, [&](int i) {
        if (w.bar_id[i] == id) lanes |= 1u << i;
    });
    return lanes;
}

// A barrier is complete when the threads it expects have arrived. Exited threads count with their
// warp, as the hardware counts whole warps.
bool Block::barrier_complete(u32 id) {
    const NamedBarrier& b = bars[id];
    if (!b.active) return false;
    u32 arrived = b.arrived_extra;
    bool all = true;
    for (u32 k = 0; k < nwarps; k++) {
        const Warp& w = *warps[k];
        const u32 here = waiting_at(w, id);
        arrived += here && here == w.live ? kWarp : u32(std::popcount(here));
        all &= here == w.live;
    }
    return b.expected ? arrived >= b.expected : all;
}

void Block::barrier_release(Context& c, u32 id) {
    for (u32 k = 0; k < nwarps; k++) {
        Warp& w = *warps[k];
        const u32 here = waiting_at(w, id);
        if (!here) continue;
        release_lanes(c, w, here, bars[id]);
        w.wait_bar &= ~here;
        if (c.check) race.bar_release(int(k), int(id));
    }
    bars[id] = NamedBarrier{};
    if (c.check) race.bar_reset(int(id));
}

// Lanes go on behind their bar instruction; bar.red writes its result.
void Block::release_lanes(Context& c, Warp& w, u32 lanes, const NamedBarrier& b) {
    const int first = std::countr_zero(lanes);
    const u32 pc = w.pc[first];
    for_lanes(lanes, [&](int i) {
        Frame* f = w.fr[i];
        const Instruction& I = f->prog->code[w.pc[i]];
        if (c.check && (I.flags & kAlignedBarrier) && (w.pc[i] != pc || f != w.fr[first])) {
            Context other = c;
            other.warp = &w;
            other.prog = f->prog;
            violation(other, i, kErrLaunchFailure,
                      format("barrier divergence: lanes %d and %d of one warp wait at different "
                             "bar.sync instructions",
                             first, i));
        }
        const BarOp op = BarOp(I.sub);
        if (I.o[0] != kNoSlot && (op == BarOp::And || op == BarOp::Or || op == BarOp::Popc)) {
            u32* d = reinterpret_cast<u32*>(f->regs + I.o[0]);
            if (op == BarOp::Popc)
                d[i] = b.red_popc;
            else
                *d = (*d & ~(1u << i)) | (op == BarOp::And ? b.red_and : b.red_or) << i;
        }
        w.pc[i]++;
    });
}

void Block::barrier_arrive(Context& c, Warp& w, u32 lanes, u32 id, u32 count, bool wait) {
    const int first = std::countr_zero(lanes);
    if (id >= 16)
        violation(c, first, kErrIllegalInstruction, format("barrier id %u out of range", id));
    NamedBarrier& b = bars[id];
    if (c.check && b.active && b.expected != count)
        violation(c, first, kErrLaunchFailure,
                  format("barrier %u used with different thread counts (%u and %u)", id, b.expected,
                         count));
    if (c.check && count % kWarp)
        violation(c, first, kErrIllegalInstruction,
                  format("barrier %u: thread count %u is not a multiple of 32", id, count));
    b.active = true;
    b.expected = count;
    if (c.check) race.bar_arrive(int(w.id), int(id));
    if (wait) {
        w.wait_bar |= lanes;
        for_lanes(lanes, [&](int i) { w.bar_id[i] = u8(id); });
    } else {
        b.arrived_extra += lanes == w.live ? kWarp : u32(std::popcount(lanes));
    }
    if (barrier_complete(id)) barrier_release(c, id);
}

void Block::threads_exited(Context& c) {
    for (u32 id = 0; id < 16; id++) {
        if (!barrier_complete(id)) continue;
        bool waiting = false;
        for (u32 k = 0; k < nwarps; k++) waiting |= warps[k]->wait_bar != 0;
        if (waiting) barrier_release(c, id);
    }
}

// ---- scheduling ---------------------------------------------------------------------------------

bool Block::any_live() const {
    for (u32 k = 0; k < nwarps; k++)
        if (warps[k]->live) return true;
    return false;
}

// Can any warp go on? In random order one may simply not have been drawn.
bool Block::step_every_warp(Context& c) {
    for (u32 k = 0; k < nwarps; k++) {
        Warp& w = *warps[k];
        if (!w.live || w.cluster_wait) continue;
        const u64 before = w.insts;
        w.run(c, 1);
        if (w.insts != before || !w.live) return true;
    }
    return false;
}

void Block::check_livelock(Context& c) {
    for (u32 k = 0; k < nwarps; k++) {
        Warp& w = *warps[k];
        if (!w.live || w.polls <= kHopelessPolls) continue;
        const int lane = std::countr_zero(w.live);
        Context at = c;
        at.warp = &w;
        at.prog = w.fr[lane]->prog;
        at.inst = &at.prog->code[w.pc[lane]];
        violation(at, lane, kErrLaunchTimeout,
                  "livelock: every running warp polls a barrier that never completes");
    }
}

Block::Status Block::run(Context& c) {
    c.block = this;
    c.launch = launch;
    const Config& cfg = config();
    for (;;) {
        u64 ran = 0;
        u32 running = 0, spinning = 0;
        for (u32 k = 0; k < nwarps; k++) {
            Warp& w = *warps[cfg.seed ? worker->rng.below(nwarps) : (cursor + k) % nwarps];
            if (!w.live || w.cluster_wait) continue;
            const u64 before = w.insts;
            u64 quantum = cfg.quantum;
            if (cfg.seed)
                quantum = 1 + worker->rng.below(u32(quantum)) / (1 + worker->rng.below(16));
            const Warp::Status s = w.run(c, quantum);
            ran += w.insts - before;
            if (s == Warp::Running) running++, spinning += w.polls > kHopelessPolls;
        }
        if (!cfg.seed) cursor = (cursor + 1) % nwarps;
        if (!any_live()) return Done;
        if (ran == 0 && !step_every_warp(c)) return any_live() ? Stuck : Done;
        if (running && spinning == running) check_livelock(c);
        if (launch->failed.load(std::memory_order_relaxed)) return Done;
        // Blocks that wait for each other take turns.
        if (launch->cooperative || cluster_size > 1 || cfg.resident > 1) return Progress;
    }
}

void Block::deadlock(Context& c) {
    std::string s = "deadlock: no thread of the block can make progress";
    int shown = 0;
    for (u32 k = 0; k < nwarps; k++) {
        Warp& w = *warps[k];
        for (u32 left = w.live; left && shown < 6; shown++) {
            const int first = std::countr_zero(left);
            u32 group = 0;
            for_lanes(left, [&](int i) {
                if (w.fr[i] == w.fr[first] && w.pc[i] == w.pc[first]) group |= 1u << i;
            });
            left &= ~group;
            Context at = c;
            at.warp = &w;
            at.prog = w.fr[first]->prog;
            const std::string what = w.wait_bar >> first & 1 ? format("barrier %d", w.bar_id[first])
                                                             : "a warp-synchronous instruction";
            s += format("\n  warp %u lanes 0x%08x (live 0x%08x) wait at %s\n%s", k, group, w.live,
                        what.c_str(), where(at, &at.prog->code[w.pc[first]], first).c_str());
        }
    }
    throw Violation(kErrLaunchFailure, s);
}

}  // namespace fovea::cudaemu
