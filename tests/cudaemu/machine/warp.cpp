// The interpreter: a warp's lanes run in groups, the deepest call first, then the lowest program
// counter.
#include <algorithm>

#include "tests/cudaemu/machine/lanes.h"

namespace fovea::cudaemu {

constexpr u32 kMaxDepth = 200;

Frame* Warp::get_frame(const Program* p, u32 depth) {
    Frame* spare = nullptr;
    for (auto& f : frames) {
        if (f->live && f->prog == p && f->depth == depth) return f.get();
        if (!f->live && f != frames[0] && !spare) spare = f.get();
    }
    if (depth == 0 && !frames.empty()) spare = frames[0].get();
    if (!spare) {
        frames.push_back(std::make_unique<Frame>());
        spare = frames.back().get();
    }

    Frame& f = *spare;
    f.prog = p;
    f.depth = depth;
    f.live = 0;
    const size_t need = align_up(p->frame_bytes + 64, 64);
    if (f.regs_cap < need) {
        free(f.regs);
        f.regs = static_cast<u8*>(aligned_alloc(64, need));
        f.regs_cap = need;
        memset(f.regs, 0, need);
    }
    f.params.assign(size_t(p->param_bytes) * kWarp, 0);
    init_warp_sregs(*this, f);
    return &f;
}

// Lanes may have exited since others began to wait for the warp: those that may go on now.
u32 Warp::complete_sync() {
    u32 left = wait_sync;
    while (left) {
        const int first = std::countr_zero(left);
        u32 group = 0;
        for_lanes(left, [&](int i) {
            if (fr[i] == fr[first] && pc[i] == pc[first]) group |= 1u << i;
        });
        left &= ~group;
        const Instruction& I = fr[first]->prog->code[pc[first]];
        u32 complete = 0;
        for_lanes(group, [&](int i) {
            u32 members = kFull;
            if (I.member != kNoSlot) {
                const u8* base = I.member & kConstBit ? fr[i]->prog->consts : fr[i]->regs;
                members = reinterpret_cast<const u32*>(base + (I.member & ~kConstBit))[i];
            }
            if ((members & live & ~group) == 0) complete |= 1u << i;
        });
        if (complete) {
            wait_sync &= ~complete;
            return complete;
        }
    }
    return 0;
}

Warp::Group Warp::pick() {
    u32 ready = live & ~(wait_sync | wait_bar);
    if (!ready) ready = complete_sync();
    if (!ready) return {};

    const int first = std::countr_zero(ready);
    Group g{ready, fr[first], pc[first], ~0u};
    if ((ready & (ready - 1)) == 0) return g;

    const bool other = rotate;  // the shallowest call and the highest program counter instead
    rotate = false;
    for_lanes(ready, [&](int i) {
        const bool same = fr[i] == g.frame;
        const bool better = other ? fr[i]->depth < g.frame->depth || (same && pc[i] > g.pc)
                                  : fr[i]->depth > g.frame->depth || (same && pc[i] < g.pc);
        if (better) g.frame = fr[i], g.pc = pc[i];
    });
    g.mask = 0;
    for_lanes(ready, [&](int i) {
        if (fr[i] != g.frame) return;
        if (pc[i] == g.pc)
            g.mask |= 1u << i;
        else
            g.limit = std::min(g.limit, pc[i]);
    });
    if (other) g.limit = ~0u;
    return g;
}

void Warp::branch_indexed(Context& c, const Instruction& I, Group g, u32 active) {
    const std::vector<u32>& targets = g.frame->prog->tables[I.target];
    const u32* index = slot<u32>(c, I.o[0]);
    for_lanes(g.mask, [&](int i) {
        if (!(active >> i & 1)) {
            pc[i] = g.pc + 1;
            return;
        }
        if (index[i] >= targets.size())
            violation(c, i, kErrLaunchFailure, "brx.idx index out of range");
        pc[i] = targets[index[i]];
    });
}

// A warp-synchronous instruction runs for the lanes whose members have all arrived. True: that was
// everybody, and the group just goes on.
bool Warp::synchronise(Context& c, const Instruction& I, Group g, u32 active) {
    if (active == live && active == g.mask) {
        I.fn(c, I);
        return true;
    }
    for_lanes(g.mask & ~active, [&](int i) { pc[i] = g.pc + 1; });
    u32 arrived = active;
    for_lanes(wait_sync, [&](int i) {
        if (fr[i] == g.frame && pc[i] == g.pc) arrived |= 1u << i;
    });
    const u32* members = I.member == kNoSlot ? nullptr : slot<u32>(c, I.member);
    u32 ready = 0;
    for_lanes(arrived, [&](int i) {
        const u32 needed = (members ? members[i] : kFull) & live;
        if ((needed & ~arrived) == 0) ready |= 1u << i;
    });
    const u32 waiting = arrived & ~ready;
    for_lanes(waiting, [&](int i) { pc[i] = g.pc; });
    wait_sync = (wait_sync & ~ready) | waiting;
    if (ready) {
        c.mask = ready;
        I.fn(c, I);
        for_lanes(ready, [&](int i) { pc[i] = g.pc + 1; });
    }
    return false;
}

void Warp::call(Context& c, const Instruction& I, Group g, u32 active) {
    const Program* prog = g.frame->prog;
    for_lanes(g.mask & ~active, [&](int i) { pc[i] = g.pc + 1; });
    if (I.kind == Kind::Call) return enter(c, I, g, active, prog->image->programs[I.target].get());

    // Through a pointer: the lanes that call the same function go together.
    const u64* pointer = slot<u64>(c, prog->calls[I.ext].fptr);
    const std::vector<i32>& programs = prog->image->by_func;
    for (u32 left = active; left;) {
        const int first = std::countr_zero(left);
        const u64 v = pointer[first], number = v & 0xffff;
        u32 lanes = 0;
        for_lanes(left, [&](int i) {
            if (pointer[i] == v) lanes |= 1u << i;
        });
        if ((v & ~0xffffull) != kFuncTag || number >= programs.size() || programs[number] < 0)
            violation(c, first, kErrLaunchFailure, "call through an invalid function pointer");
        enter(c, I, g, lanes, prog->image->programs[size_t(programs[number])].get());
        left &= ~lanes;
    }
}

void Warp::enter(Context& c, const Instruction& I, Group g, u32 lanes, const Program* callee) {
    Frame* from = g.frame;
    const Program* prog = from->prog;
    const CallSite& site = prog->calls[I.ext];
    Frame* to = get_frame(callee, from->depth + 1);
    if (to->depth > kMaxDepth)
        violation(c, std::countr_zero(lanes), kErrLaunchFailure,
                  format("call stack overflow (recursion deeper than %u)", kMaxDepth));
    for_lanes(lanes, [&](int i) {
        to->parent[i] = from;
        to->ret_pc[i] = g.pc + 1;
        to->ret_site[i] = I.ext;
        to->local_base[i] = from->local_base[i] + prog->local_bytes;
        if (to->local_base[i] + callee->local_bytes > prog->image->local_per_thread)
            violation(c, i, kErrLaunchFailure, "local memory stack overflow");
        const u8* arguments = from->params.data() + size_t(i) * prog->param_bytes;
        u8* params = to->params.data() + size_t(i) * callee->param_bytes;
        for (size_t k = 0; k < std::min(site.args.size(), callee->param_in.size()); k++)
            memcpy(params + callee->param_in[k].first, arguments + site.args[k].first,
                   std::min(site.args[k].second, callee->param_in[k].second));
        fr[i] = to;
        pc[i] = 0;
    });
    to->live |= lanes;
    for (const SRegSlot& s : callee->sregs)
        if (s.id == SR::local_base) {
            u64* base = reinterpret_cast<u64*>(to->regs + s.slot);
            for_lanes(lanes, [&](int i) { base[i] = to->local_base[i]; });
        }
}

// ret and exit.
void Warp::leave(Context& c, const Instruction& I, Group g, u32 active) {
    Frame* from = g.frame;
    for_lanes(g.mask & ~active, [&](int i) { pc[i] = g.pc + 1; });
    if (I.kind == Kind::Exit || from->depth == 0) {
        live &= ~active;
        for (auto& f : frames) f->live &= live;
        block->threads_exited(c);
        return;
    }
    const Program* callee = from->prog;
    for_lanes(active, [&](int i) {
        Frame* to = from->parent[i];
        const CallSite& site = to->prog->calls[from->ret_site[i]];
        const u8* results = from->params.data() + size_t(i) * callee->param_bytes;
        u8* params = to->params.data() + size_t(i) * to->prog->param_bytes;
        for (size_t k = 0; k < std::min(site.rets.size(), callee->param_out.size()); k++)
            memcpy(params + site.rets[k].first, results + callee->param_out[k].first,
                   std::min(site.rets[k].second, callee->param_out[k].second));
        fr[i] = to;
        pc[i] = from->ret_pc[i];
    });
    from->live &= ~active;
}

Warp::Status Warp::run(Context& c, const u64 budget) {
    c.warp = this;
    WorkerStats* statistics = c.stats ? &c.worker->st : nullptr;
    Group g;
    u64 left = budget;
    auto save = [&] { for_lanes(g.mask, [&](int i) { pc[i] = g.pc; }); };
    auto pause = [&] {  // keeps its place; others go first
        save();
        insts += budget - left;
        if (g.mask != live) rotate = (++yields & 3) == 0;
        return Running;
    };

    for (g = pick(); g.mask; g = pick()) {
        const Program* prog = g.frame->prog;
        c.frame = g.frame;
        c.prog = prog;
        c.base[0] = g.frame->regs;
        c.base[1] = prog->consts;
        u64* counts = statistics ? statistics->count.data() + prog->stat_base : nullptr;

        for (bool together = true; together;) {
            if (g.pc >= g.limit) {  // where other lanes wait
                save();
                break;
            }
            if (left == 0) return pause();
            left--;
            const Instruction& I = prog->code[g.pc];
            u32 active = g.mask;
            if (I.guard >= 0) {
                const u32 p = *reinterpret_cast<u32*>(g.frame->regs + I.guard);
                active &= I.gneg ? ~p : p;
            }
            c.mask = active;
            c.inst = &I;
            if (counts) {
                counts[g.pc]++;
                statistics->count_lanes(I, active);
            }

            switch (I.kind) {
                case Kind::Normal:
                    if (active) I.fn(c, I);
                    g.pc++;
                    break;
                case Kind::Bra:
                    if (active == g.mask) {
                        g.pc = I.target;
                    } else if (!active) {
                        g.pc++;
                    } else {
                        if (statistics) statistics->divergent++;
                        for_lanes(g.mask,
                                  [&](int i) { pc[i] = active >> i & 1 ? I.target : g.pc + 1; });
                        together = false;
                    }
                    break;
                case Kind::Brx:
                    branch_indexed(c, I, g, active);
                    together = false;
                    break;
                case Kind::Sync:
                    together = !active || synchronise(c, I, g, active);
                    if (together) g.pc++;
                    break;
                case Kind::Bar:
                    for_lanes(g.mask, [&](int i) { pc[i] = active >> i & 1 ? g.pc : g.pc + 1; });
                    if (active) I.fn(c, I);
                    together = false;
                    break;
                case Kind::Yield:
                    if (active) I.fn(c, I);
                    g.pc++;
                    return pause();
                case Kind::Call:
                case Kind::CallInd:
                    if (active) call(c, I, g, active);
                    together = !active;
                    if (together) g.pc++;
                    break;
                case Kind::Ret:
                case Kind::Exit:
                    if (active) leave(c, I, g, active);
                    together = !active;
                    if (together) g.pc++;
                    break;
            }
        }
    }
    insts += budget - left;
    return live ? Blocked : Done;
}

}  // namespace fovea::cudaemu
