// Scheduler: warps with min-PC divergence handling, block barriers, launches over host threads.
#include "tests/cudaemu/machine/exec.h"

#include <numeric>

#include <cxxabi.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <thread>

namespace emu {

const Config& config() {
    static const Config cfg = [] {
        Config c;
        c.cc = int(env_int("CUDAEMU_CC", 90));
        c.sms = int(env_int("CUDAEMU_SMS", c.cc >= 90 ? 132 : c.cc >= 80 ? 108 : 40));
        if (c.cc < 80)
            c.smem_optin = 64 * 1024, c.smem_sm = 64 * 1024;
        else if (c.cc == 80)
            c.smem_optin = 163 * 1024, c.smem_sm = 164 * 1024;
        else if (c.cc < 90)
            c.smem_optin = 99 * 1024, c.smem_sm = 100 * 1024;
        c.check = env_int("CUDAEMU_CHECK", 0) != 0;
        c.fatal = env_int("CUDAEMU_CHECK_FATAL", 0) != 0;
        c.poison = env_int("CUDAEMU_POISON", 1) != 0;
        c.seed = u64(env_int("CUDAEMU_SEED", 0));
        c.shuffle_blocks = env_int("CUDAEMU_SHUFFLE_BLOCKS", 0) != 0;
        c.threads = int(
            env_int("CUDAEMU_THREADS", long(std::max(1u, std::thread::hardware_concurrency()))));
        c.threads = std::max(1, c.threads);
        c.resident = u32(std::max(1l, env_int("CUDAEMU_RESIDENT", 1)));
        c.quantum = u64(env_int("CUDAEMU_QUANTUM", 4000));
        c.verbose = env_int("CUDAEMU_VERBOSE", 0) != 0;
        return c;
    }();
    return cfg;
}

// ---- messages ---------------------------------------------------------------------------------

std::string where(Ctx& c, const Inst* I, int lane) {
    std::string s;
    const Launch* l = c.launch;
    s += "  kernel " + l->image->demangled;
    if (c.block)
        s += format(", block (%u,%u,%u)", c.block->ctaid[0], c.block->ctaid[1], c.block->ctaid[2]);
    if (c.warp && lane >= 0) {
        u32 t = c.warp->id * 32 + u32(lane);
        s += format(", thread (%u,%u,%u) [warp %u lane %d]", t % l->block[0],
                    t / l->block[0] % l->block[1], t / l->block[0] / l->block[1], c.warp->id, lane);
    }
    if (I && c.prog && I->src < c.prog->fn->code.size()) {
        const ptx::Instr& in = c.prog->fn->code[I->src];
        std::string text = in.line >= 1 && in.line <= int(c.prog->mod->lines.size())
                               ? c.prog->mod->lines[size_t(in.line - 1)]
                               : in.op;
        size_t b = text.find_first_not_of(" \t");
        if (b != std::string::npos) text = text.substr(b);
        s += format("\n  PTX line %d in %s: %s", in.line, c.prog->fn->name.c_str(), text.c_str());
        if (in.loc >= 0) {
            auto& loc = c.prog->mod->locs[size_t(in.loc)];
            auto f = c.prog->mod->files.find(loc.file);
            s += format("\n  source %s:%d", f == c.prog->mod->files.end() ? "?" : f->second.c_str(),
                        loc.line);
        }
    }
    return s;
}

void violation(Ctx& c, int lane, int error, const std::string& what) {
    throw Violation(error, what + "\n" + where(c, c.inst, lane));
}

// ---- special registers ------------------------------------------------------------------------

void init_warp_sregs(Warp& w, Frame& f) {
    Block& b = *w.block;
    const Launch& l = *b.launch;
    for (const SRegSlot& s : f.prog->sregs) {
        u32* d = reinterpret_cast<u32*>(f.regs + s.slot);
        auto all = [&](u32 v) { std::fill(d, d + kWarp, v); };
        auto lanes = [&](auto fn) {
            for (u32 i = 0; i < kWarp; i++) d[i] = fn(i);
        };
        u32 t0 = w.id * 32;
        const u32* bd = l.block;
        const u32* cl = l.cluster;
        switch (s.id) {
            case SR::tid_x: lanes([&](u32 i) { return (t0 + i) % bd[0]; }); break;
            case SR::tid_y: lanes([&](u32 i) { return (t0 + i) / bd[0] % bd[1]; }); break;
            case SR::tid_z: lanes([&](u32 i) { return (t0 + i) / (bd[0] * bd[1]); }); break;
            case SR::ntid_x: all(bd[0]); break;
            case SR::ntid_y: all(bd[1]); break;
            case SR::ntid_z: all(bd[2]); break;
            case SR::ctaid_x: all(b.ctaid[0]); break;
            case SR::ctaid_y: all(b.ctaid[1]); break;
            case SR::ctaid_z: all(b.ctaid[2]); break;
            case SR::nctaid_x: all(l.grid[0]); break;
            case SR::nctaid_y: all(l.grid[1]); break;
            case SR::nctaid_z: all(l.grid[2]); break;
            case SR::laneid: lanes([](u32 i) { return i; }); break;
            case SR::warpid: all(w.id); break;
            case SR::nwarpid: all(b.nwarps); break;
            case SR::smid: all(b.linear % u32(config().sms)); break;
            case SR::nsmid: all(u32(config().sms)); break;
            case SR::gridid: {
                u64* q = reinterpret_cast<u64*>(d);
                std::fill(q, q + kWarp, l.grid_id);
                break;
            }
            case SR::local_base: break;  // filled by the frame
            case SR::lanemask_eq: lanes([](u32 i) { return 1u << i; }); break;
            case SR::lanemask_le: lanes([](u32 i) { return u32((2ull << i) - 1); }); break;
            case SR::lanemask_lt: lanes([](u32 i) { return (1u << i) - 1; }); break;
            case SR::lanemask_ge: lanes([](u32 i) { return ~((1u << i) - 1); }); break;
            case SR::lanemask_gt: lanes([](u32 i) { return ~u32((2ull << i) - 1); }); break;
            case SR::dynamic_smem_size: all(l.dyn_smem); break;
            case SR::total_smem_size:
            case SR::aggr_smem_size: all(b.smem_size); break;
            case SR::reserved_smem_offset_begin: all(0); break;
            case SR::reserved_smem_offset_end:
            case SR::reserved_smem_offset_cap: all(kSharedStart); break;
            case SR::cluster_ctaid_x: all(b.cluster_ctaid[0]); break;
            case SR::cluster_ctaid_y: all(b.cluster_ctaid[1]); break;
            case SR::cluster_ctaid_z: all(b.cluster_ctaid[2]); break;
            case SR::cluster_nctaid_x: all(cl[0]); break;
            case SR::cluster_nctaid_y: all(cl[1]); break;
            case SR::cluster_nctaid_z: all(cl[2]); break;
            case SR::clusterid_x: all(b.ctaid[0] / cl[0]); break;
            case SR::clusterid_y: all(b.ctaid[1] / cl[1]); break;
            case SR::clusterid_z: all(b.ctaid[2] / cl[2]); break;
            case SR::nclusterid_x: all(l.grid[0] / cl[0]); break;
            case SR::nclusterid_y: all(l.grid[1] / cl[1]); break;
            case SR::nclusterid_z: all(l.grid[2] / cl[2]); break;
            case SR::cluster_ctarank: all(b.cluster_rank); break;
            case SR::cluster_nctarank: all(b.cluster_size); break;
            case SR::is_explicit_cluster: *d = b.cluster_size > 1 ? kFull : 0; break;
            case SR::envreg1: all(u32(u64(l.extra.data()) >> 32)); break;
            case SR::envreg2: all(u32(u64(l.extra.data()))); break;
            default: die("special register not initialised");
        }
    }
}

u64 dynamic_sreg(Ctx& c, SR id) {
    timespec ts;
    switch (id) {
        case SR::clock:
        case SR::clock64: return c.warp->insts += 4;
        case SR::clock_hi: return c.warp->insts >> 32;
        default: {
            clock_gettime(CLOCK_REALTIME, &ts);
            u64 ns = u64(ts.tv_sec) * 1000000000ull + u64(ts.tv_nsec);
            return id == SR::globaltimer_hi ? ns >> 32 : ns;
        }
    }
}

// ---- warp -------------------------------------------------------------------------------------

Frame* Warp::get_frame(const Program* p, u32 depth) {
    Frame* free_frame = nullptr;
    for (auto& f : frames) {
        if (f->live && f->prog == p && f->depth == depth) return f.get();
        if (!f->live && f != frames[0] && !free_frame) free_frame = f.get();
    }
    if (depth == 0 && !frames.empty()) free_frame = frames[0].get();
    if (!free_frame) {
        frames.push_back(std::make_unique<Frame>());
        free_frame = frames.back().get();
    }
    Frame& f = *free_frame;
    f.prog = p;
    f.depth = depth;
    f.live = 0;
    size_t need = align_up(p->frame_bytes + 64, 64);
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

// Chooses the lanes to run next: the deepest call frame, then the lowest PC.
bool Warp::pick(Ctx& c, u32& mask, Frame*& f, u32& gpc, u32& limit) {
    u32 ready = live & ~(wait_sync | wait_bar);
    if (!ready) {
        if (!wait_sync) return false;
        // Lanes may have exited since the waiters arrived: see whether some group is complete now.
        u32 left = wait_sync;
        while (left) {
            int l0 = std::countr_zero(left);
            u32 g = 0;
            for_lanes(left, [&](int i) {
                if (fr[i] == fr[l0] && pc[i] == pc[l0]) g |= 1u << i;
            });
            left &= ~g;
            const Inst& I = fr[l0]->prog->code[pc[l0]];
            u32 ok = 0;
            for_lanes(g, [&](int i) {
                u32 mm = kFull;
                if (I.member != kNoSlot) {
                    u8* base = I.member & kConstBit ? fr[i]->prog->consts : fr[i]->regs;
                    mm = reinterpret_cast<u32*>(base + (I.member & ~kConstBit))[i];
                }
                if (((mm & live) & ~g) == 0) ok |= 1u << i;
            });
            if (ok) {
                wait_sync &= ~ok;
                ready = ok;
                break;
            }
        }
        if (!ready) return false;
    }
    int first = std::countr_zero(ready);
    u32 rest = ready;
    if ((ready & (ready - 1)) == 0) {
        mask = ready;
        f = fr[first];
        gpc = pc[first];
        limit = ~0u;
        return true;
    }
    Frame* bf = fr[first];
    u32 bp = pc[first];
    bool rot = rotate;
    rotate = false;
    for_lanes(rest, [&](int i) {
        bool better = rot ? (fr[i]->depth < bf->depth || (fr[i] == bf && pc[i] > bp))
                          : (fr[i]->depth > bf->depth || (fr[i] == bf && pc[i] < bp));
        if (better) bf = fr[i], bp = pc[i];
    });
    u32 m = 0, lim = ~0u;
    for_lanes(rest, [&](int i) {
        if (fr[i] != bf) return;
        if (pc[i] == bp)
            m |= 1u << i;
        else
            lim = std::min(lim, pc[i]);
    });
    (void)c;
    mask = m;
    f = bf;
    gpc = bp;
    limit = rot ? ~0u : lim;
    return true;
}

Warp::Status Warp::run(Ctx& c, u64 budget) {
    c.warp = this;
    u32 mask = 0, cur = 0, limit = 0;
    Frame* f = nullptr;
    WorkerStats* st = c.stats ? &c.worker->st : nullptr;
    u64 start_budget = budget;
    auto save = [&] { for_lanes(mask, [&](int i) { pc[i] = cur; }); };
    auto account = [&] { insts += start_budget - budget; };

repick:
    if (!pick(c, mask, f, cur, limit)) {
        account();
        return live ? Blocked : Done;
    }
    const Program* prog = f->prog;
    const Inst* code = prog->code.data();
    c.frame = f;
    c.prog = prog;
    c.base[0] = f->regs;
    c.base[1] = prog->consts;
    u64* cnt = st ? st->count.data() + prog->stat_base : nullptr;

    for (;;) {
        if (cur >= limit) {
            save();
            goto repick;
        }
        if (budget == 0) {
            save();
            account();
            if (mask != live) rotate = (++yields & 3) == 0;
            return Running;
        }
        budget--;
        const Inst& I = code[cur];
        u32 m = mask;
        if (I.guard >= 0) {
            u32 p = *reinterpret_cast<u32*>(f->regs + I.guard);
            m &= I.gneg ? ~p : p;
        }
        c.mask = m;
        c.inst = &I;
        if (cnt) {
            cnt[cur]++;
            u32 pop = u32(std::popcount(m));
            st->lanes += pop;
            if (I.flops) {
                if (I.cls == Cls::Tensor)
                    st->tensor_flops += m ? I.flops : 0;
                else
                    st->fp32_flops += u64(I.flops) * pop;
            }
        }
        switch (I.kind) {
            case Kind::Normal:
                if (m) I.fn(c, I);
                cur++;
                break;
            case Kind::Nop: cur++; break;
            case Kind::Bra:
                if (m == mask) {
                    cur = I.target;
                } else if (!m) {
                    cur++;
                } else {
                    if (st) st->divergent++;
                    u32 t = I.target;
                    for_lanes(mask, [&](int i) { pc[i] = (m >> i & 1) ? t : cur + 1; });
                    goto repick;
                }
                break;
            case Kind::Brx: {
                const auto& tab = prog->tables[I.target];
                const u32* idx = slot<u32>(c, I.o[0]);
                for_lanes(mask, [&](int i) {
                    if (!(m >> i & 1)) {
                        pc[i] = cur + 1;
                        return;
                    }
                    if (idx[i] >= tab.size())
                        violation(c, i, kErrLaunchFailure, "brx.idx index out of range");
                    pc[i] = tab[idx[i]];
                });
                goto repick;
            }
            case Kind::Sync: {
                if (!m) {
                    cur++;
                    break;
                }
                const u32* mm = I.member == kNoSlot ? nullptr : slot<u32>(c, I.member);
                if (m == live && m == mask) {  // everybody is here
                    I.fn(c, I);
                    cur++;
                    break;
                }
                for_lanes(mask & ~m, [&](int i) { pc[i] = cur + 1; });
                u32 arrived = m;
                if (wait_sync)
                    for_lanes(wait_sync, [&](int i) {
                        if (fr[i] == f && pc[i] == cur) arrived |= 1u << i;
                    });
                u32 ready = 0;
                for_lanes(arrived, [&](int i) {
                    u32 need = (mm ? mm[i] : kFull) & live;
                    if ((need & ~arrived) == 0) ready |= 1u << i;
                });
                u32 waiting = arrived & ~ready;
                for_lanes(waiting, [&](int i) { pc[i] = cur; });
                wait_sync = (wait_sync & ~ready) | waiting;
                if (ready) {
                    c.mask = ready;
                    I.fn(c, I);
                    for_lanes(ready, [&](int i) { pc[i] = cur + 1; });
                }
                goto repick;
            }
            case Kind::Bar: {
                for_lanes(mask, [&](int i) { pc[i] = (m >> i & 1) ? cur : cur + 1; });
                if (m) I.fn(c, I);
                goto repick;
            }
            case Kind::Yield:
                if (m) I.fn(c, I);
                cur++;
                save();
                account();
                yields++;
                if (mask != live) rotate = (yields & 3) == 0;
                return Running;
            case Kind::Call:
            case Kind::CallInd: {
                if (!m) {
                    cur++;
                    break;
                }
                const CallSite& cs = prog->calls[I.ext];
                for_lanes(mask & ~m, [&](int i) { pc[i] = cur + 1; });
                u32 left = m;
                while (left) {
                    u32 g = left;
                    const Program* callee;
                    if (I.kind == Kind::Call) {
                        callee = prog->image->programs[I.target].get();
                    } else {
                        const u64* fp = slot<u64>(c, cs.fptr);
                        int l0 = std::countr_zero(left);
                        u64 v = fp[l0];
                        g = 0;
                        for_lanes(left, [&](int i) {
                            if (fp[i] == v) g |= 1u << i;
                        });
                        const auto& bf = prog->image->by_func;
                        if ((v & ~0xffffull) != kFuncTag || (v & 0xffff) >= bf.size() ||
                            bf[v & 0xffff] < 0)
                            violation(c, l0, kErrLaunchFailure,
                                      "call through an invalid function pointer");
                        callee = prog->image->programs[size_t(bf[v & 0xffff])].get();
                    }
                    left &= ~g;
                    Frame* nf = get_frame(callee, f->depth + 1);
                    if (nf->depth > 200)
                        violation(c, std::countr_zero(g), kErrLaunchFailure,
                                  "call stack overflow (recursion deeper than 200)");
                    for_lanes(g, [&](int i) {
                        nf->parent[i] = f;
                        nf->ret_pc[i] = cur + 1;
                        nf->ret_site[i] = I.ext;
                        nf->local_base[i] = f->local_base[i] + prog->local_bytes;
                        u8* from = f->params.data() + size_t(i) * prog->param_bytes;
                        u8* to = nf->params.data() + size_t(i) * callee->param_bytes;
                        for (size_t k = 0; k < cs.args.size() && k < callee->param_in.size(); k++)
                            memcpy(to + callee->param_in[k].first, from + cs.args[k].first,
                                   std::min(cs.args[k].second, callee->param_in[k].second));
                        fr[i] = nf;
                        pc[i] = 0;
                    });
                    nf->live |= g;
                    for (auto& s : callee->sregs)
                        if (s.id == SR::local_base) {
                            u64* q = reinterpret_cast<u64*>(nf->regs + s.slot);
                            for_lanes(g, [&](int i) { q[i] = nf->local_base[i]; });
                        }
                    size_t stride = prog->image->local_per_thread;
                    for_lanes(g, [&](int i) {
                        if (nf->local_base[i] + callee->local_bytes > stride)
                            violation(c, i, kErrLaunchFailure, "local memory stack overflow");
                    });
                }
                goto repick;
            }
            case Kind::Ret:
            case Kind::Exit: {
                if (!m) {
                    cur++;
                    break;
                }
                for_lanes(mask & ~m, [&](int i) { pc[i] = cur + 1; });
                if (I.kind == Kind::Exit || f->depth == 0) {
                    live &= ~m;
                    for (auto& fp : frames) fp->live &= live;
                    if (!live) {
                        account();
                        block->threads_exited(c);
                        return Done;
                    }
                    block->threads_exited(c);
                } else {
                    for_lanes(m, [&](int i) {
                        Frame* pf = f->parent[i];
                        const CallSite& cs = pf->prog->calls[f->ret_site[i]];
                        u8* from = f->params.data() + size_t(i) * prog->param_bytes;
                        u8* to = pf->params.data() + size_t(i) * pf->prog->param_bytes;
                        for (size_t k = 0; k < cs.rets.size() && k < prog->param_out.size(); k++)
                            memcpy(to + cs.rets[k].first, from + prog->param_out[k].first,
                                   std::min(cs.rets[k].second, prog->param_out[k].second));
                        fr[i] = pf;
                        pc[i] = f->ret_pc[i];
                    });
                    f->live &= ~m;
                }
                goto repick;
            }
        }
    }
}

// ---- block ------------------------------------------------------------------------------------

void Block::start(const Launch* l, Worker* w, u32 index) {
    launch = l;
    worker = w;
    linear = index;
    const KernelImage& img = *l->image;
    ctaid[0] = index % l->grid[0];
    ctaid[1] = index / l->grid[0] % l->grid[1];
    ctaid[2] = index / (l->grid[0] * l->grid[1]);
    nthreads = l->block[0] * l->block[1] * l->block[2];
    nwarps = (nthreads + 31) / 32;
    live_warps = nwarps;
    cluster_size = l->cluster[0] * l->cluster[1] * l->cluster[2];
    for (int k = 0; k < 3; k++) cluster_ctaid[k] = ctaid[k] % l->cluster[k];
    cluster_rank =
        cluster_ctaid[0] + l->cluster[0] * (cluster_ctaid[1] + l->cluster[1] * cluster_ctaid[2]);
    cluster_arrived = cluster_gen = 0;
    cluster = nullptr;
    bulk.clear();
    cursor = config().seed ? w->rng.below(nwarps) : 0;
    smem_size = img.dyn_shared_off + l->dyn_smem;
    if (smem_cap < smem_size + 16) {
        free(smem);
        smem_cap = align_up(smem_size + 16, 4096);
        smem = static_cast<u8*>(aligned_alloc(4096, smem_cap));
    }
    memset(smem, 0xff, smem_size);
    for (auto& b : bars) b = NamedBarrier{};
    if (config().check) race.start(smem_size, int(nwarps));
    while (warps.size() < nwarps) warps.push_back(std::make_unique<Warp>());
    const Program* kp = img.programs[0].get();
    for (u32 k = 0; k < nwarps; k++) {
        Warp& wp = *warps[k];
        wp.block = this;
        wp.id = k;
        u32 n = std::min(32u, nthreads - k * 32);
        wp.exist = wp.live = n == 32 ? kFull : (1u << n) - 1;
        wp.wait_sync = wp.wait_bar = 0;
        wp.yields = wp.polls = 0;
        wp.insts = 0;
        wp.rotate = false;
        wp.cluster_wait = false;
        wp.async.clear();
        for (auto& f : wp.frames) f->live = 0;
        Frame* f = wp.get_frame(kp, 0);
        f->live = wp.live;
        for (int i = 0; i < kWarp; i++) {
            wp.pc[i] = 0;
            wp.fr[i] = f;
            wp.commit[i] = 0;
            f->local_base[i] = 0;
        }
        for (auto& s : kp->sregs)
            if (s.id == SR::local_base) memset(f->regs + s.slot, 0, 8 * kWarp);
        if (img.local_per_thread) wp.local.assign(size_t(img.local_per_thread) * kWarp, 0xff);
    }
}

// A barrier is complete when its expected threads have arrived. Exited threads of a warp count with
// the warp, as the hardware counts whole warps.
bool Block::barrier_complete(u32 id) {
    NamedBarrier& b = bars[id];
    if (!b.active) return false;
    u32 n = b.arrived_extra;
    bool all = true;
    for (u32 k = 0; k < nwarps; k++) {
        Warp& w = *warps[k];
        u32 here = 0;
        for_lanes(w.wait_bar, [&](int i) {
            if (w.bar_id[i] == id) here |= 1u << i;
        });
        if (here && here == w.live)
            n += 32;
        else
            n += u32(std::popcount(here));
        if (here != w.live) all = false;
    }
    if (b.expected) return n >= b.expected;
    return all;
}

void Block::barrier_release(Ctx& c, u32 id) {
    NamedBarrier& b = bars[id];
    for (u32 k = 0; k < nwarps; k++) {
        Warp& w = *warps[k];
        u32 here = 0;
        for_lanes(w.wait_bar, [&](int i) {
            if (w.bar_id[i] == id) here |= 1u << i;
        });
        if (!here) continue;
        int l0 = std::countr_zero(here);
        const u32 pc0 = w.pc[l0];
        for_lanes(here, [&](int i) {
            Frame* f = w.fr[i];
            const Inst& I = f->prog->code[w.pc[i]];
            if (c.check && (I.flags & 1) && (w.pc[i] != pc0 || f != w.fr[l0])) {
                Ctx d = c;
                d.warp = &w;
                d.prog = f->prog;
                violation(d, i, kErrLaunchFailure,
                          format("barrier divergence: lanes %d and %d of one warp wait at "
                                 "different bar.sync instructions",
                                 l0, i));
            }
            if (I.sub >= 1 && I.sub <= 3 && I.o[0] != kNoSlot) {
                u32* d = reinterpret_cast<u32*>(f->regs + I.o[0]);
                if (I.sub == 3)
                    d[i] = b.red_popc;
                else {
                    bool v = I.sub == 1 ? b.red_and : b.red_or;
                    *d = (*d & ~(1u << i)) | u32(v) << i;
                }
            }
            w.pc[i]++;
        });
        w.wait_bar &= ~here;
        if (c.check) race.bar_release(int(k), int(id));
    }
    b = NamedBarrier{};
    if (c.check) race.bar_reset(int(id));
}

void Block::barrier_arrive(Ctx& c, Warp& w, u32 lanes, u32 id, u32 count, bool wait) {
    if (id >= 16)
        violation(c, std::countr_zero(lanes), kErrIllegalInstruction,
                  format("barrier id %u out of range", id));
    NamedBarrier& b = bars[id];
    if (b.active && b.expected != count && c.check)
        violation(c, std::countr_zero(lanes), kErrLaunchFailure,
                  format("barrier %u used with different thread counts (%u and %u)", id, b.expected,
                         count));
    b.active = true;
    b.expected = count;
    if (count && count % 32 && c.check)
        violation(c, std::countr_zero(lanes), kErrIllegalInstruction,
                  format("barrier %u: thread count %u is not a multiple of 32", id, count));
    if (c.check) race.bar_arrive(int(w.id), int(id));
    if (wait) {
        w.wait_bar |= lanes;
        for_lanes(lanes, [&](int i) { w.bar_id[i] = u8(id); });
    } else {
        b.arrived_extra += lanes == w.live ? 32 : u32(std::popcount(lanes));
    }
    if (barrier_complete(id)) barrier_release(c, id);
}

void Block::threads_exited(Ctx& c) {
    for (u32 id = 0; id < 16; id++)
        if (bars[id].active && barrier_complete(id)) {
            bool any = false;
            for (u32 k = 0; k < nwarps; k++) any |= warps[k]->wait_bar != 0;
            if (any) barrier_release(c, id);
        }
}

void Block::deadlock(Ctx& c) {
    std::string s = "deadlock: no thread of the block can make progress";
    int shown = 0;
    const Inst* at = nullptr;
    for (u32 k = 0; k < nwarps && shown < 6; k++) {
        Warp& w = *warps[k];
        if (!w.live) continue;
        u32 left = w.live;
        while (left && shown < 6) {
            int l0 = std::countr_zero(left);
            u32 g = 0;
            for_lanes(left, [&](int i) {
                if (w.fr[i] == w.fr[l0] && w.pc[i] == w.pc[l0]) g |= 1u << i;
            });
            left &= ~g;
            const Inst& I = w.fr[l0]->prog->code[w.pc[l0]];
            Ctx d = c;
            d.warp = &w;
            d.prog = w.fr[l0]->prog;
            bool bar = w.wait_bar >> l0 & 1;
            s += format(
                "\n  warp %u lanes 0x%08x (live 0x%08x) wait at %s\n%s", k, g, w.live,
                bar ? format("barrier %d", w.bar_id[l0]).c_str() : "a warp-synchronous instruction",
                where(d, &I, l0).c_str());
            at = &I;
            shown++;
        }
    }
    (void)at;
    throw Violation(kErrLaunchFailure, s);
}

Block::Status Block::run(Ctx& c) {
    c.block = this;
    c.launch = launch;
    const Config& cfg = config();
    for (;;) {
        u64 ran = 0;
        bool alive = false;
        u32 spinning = 0, running = 0;
        for (u32 k = 0; k < nwarps; k++) {
            u32 idx = cursor + k;
            idx = cfg.seed ? worker->rng.below(nwarps) : idx % nwarps;
            Warp& w = *warps[idx];
            if (!w.live) continue;
            alive = true;
            if (w.cluster_wait) continue;
            u64 before = w.insts;
            u64 q = cfg.seed ? 1 + worker->rng.below(u32(cfg.quantum)) / (1 + worker->rng.below(16))
                             : cfg.quantum;
            Warp::Status s = w.run(c, q);
            ran += w.insts - before;
            if (s == Warp::Running) running++, spinning += w.polls > 200000;
        }
        if (!cfg.seed) cursor = (cursor + 1) % nwarps;
        if (!alive) {
            bool any = false;
            for (u32 k = 0; k < nwarps; k++) any |= warps[k]->live != 0;
            if (!any) return Done;
        }
        if (ran == 0) {
            // With random order a warp may simply not have been drawn: look at everybody once.
            bool can = false;
            for (u32 k = 0; k < nwarps && !can; k++) {
                Warp& w = *warps[k];
                if (!w.live || w.cluster_wait) continue;
                u64 before = w.insts;
                w.run(c, 1);
                can = w.insts != before || !w.live;
            }
            if (!can) {
                bool any = false;
                for (u32 k = 0; k < nwarps; k++) any |= warps[k]->live != 0;
                return any ? Stuck : Done;
            }
        }
        if (running && spinning == running) {
            Warp* w = nullptr;
            for (u32 k = 0; k < nwarps; k++)
                if (warps[k]->live && warps[k]->polls > 200000) w = warps[k].get();
            if (w) {
                Ctx d = c;
                d.warp = w;
                int l0 = std::countr_zero(w->live);
                d.prog = w->fr[l0]->prog;
                d.inst = &d.prog->code[w->pc[l0]];
                violation(d, l0, kErrLaunchTimeout,
                          "livelock: every running warp polls a barrier that never completes");
            }
        }
        if (c.launch->failed.load(std::memory_order_relaxed)) return Done;
        if (launch->cooperative || cluster_size > 1 || cfg.resident > 1) return Progress;
    }
}

// ---- launch -----------------------------------------------------------------------------------

namespace {

// Persistent host threads. Worker 0 is the calling thread.
class Pool {
public:
    static Pool& get() {
        static Pool* p = new Pool(config().threads);
        return *p;
    }
    std::vector<std::unique_ptr<Worker>> workers;
    void run(u32 n, void (*fn)(Launch&, Worker&), Launch& l) {
        std::unique_lock lk(run_mu_);
        if (pid_ != getpid()) die("kernel launch in a forked child is not supported");
        if (n > 1) {
            std::unique_lock g(mu_);
            launch_ = &l;
            fn_ = fn;
            pending_ = n - 1;
            want_ = n;
            gen_++;
            cv_.notify_all();
        }
        fn(l, *workers[0]);
        if (n > 1) {
            std::unique_lock g(mu_);
            done_.wait(g, [&] { return pending_ == 0; });
        }
    }

private:
    explicit Pool(int n) : pid_(getpid()) {
        for (int i = 0; i < n; i++) {
            workers.push_back(std::make_unique<Worker>());
            workers.back()->id = u32(i);
            workers.back()->rng = Rng(config().seed * 1000 + u64(i) + 1);
        }
        for (int i = 1; i < n; i++) std::thread([this, i] { loop(i); }).detach();
    }
    void loop(int i) {
        u64 seen = 0;
        for (;;) {
            Launch* l;
            void (*fn)(Launch&, Worker&);
            {
                std::unique_lock g(mu_);
                cv_.wait(g, [&] { return gen_ != seen; });
                seen = gen_;
                if (u32(i) >= want_) continue;
                l = launch_;
                fn = fn_;
            }
            fn(*l, *workers[size_t(i)]);
            std::unique_lock g(mu_);
            if (--pending_ == 0) done_.notify_all();
        }
    }
    pid_t pid_;
    std::mutex run_mu_, mu_;
    std::condition_variable cv_, done_;
    Launch* launch_ = nullptr;
    void (*fn_)(Launch&, Worker&) = nullptr;
    u32 pending_ = 0, want_ = 0;
    u64 gen_ = 0;
};

void run_gang(Launch& l, Worker& w, const std::vector<u32>& ids) {
    Ctx c;
    c.check = config().check;
    c.stats = l.stats != nullptr;
    c.worker = &w;
    c.launch = &l;
    while (w.blocks.size() < ids.size()) w.blocks.push_back(std::make_unique<Block>());
    std::vector<Block*> gang;
    for (size_t k = 0; k < ids.size(); k++) {
        w.blocks[k]->start(&l, &w, ids[k]);
        gang.push_back(w.blocks[k].get());
    }
    bool clustered = l.cluster[0] * l.cluster[1] * l.cluster[2] > 1;
    if (clustered)
        for (Block* b : gang) b->cluster = &gang;
    std::vector<u8> done(gang.size(), 0);
    size_t left = gang.size();
    while (left && !l.failed.load(std::memory_order_relaxed)) {
        bool progress = false;
        for (size_t k = 0; k < gang.size(); k++) {
            if (done[k]) continue;
            Block::Status s = gang[k]->run(c);
            if (s == Block::Done)
                done[k] = 1, left--, progress = true;
            else if (s == Block::Progress)
                progress = true;
            else if (gang.size() == 1)
                gang[k]->deadlock(c);
        }
        if (!progress)
            for (size_t k = 0; k < gang.size(); k++)
                if (!done[k]) c.block = gang[k], gang[k]->deadlock(c);
    }
}

// The order in which the blocks of a plain launch run: as numbered, or k -> a k + b mod n with a seeded a coprime to n.
struct BlockOrder {
    u64 n, a = 1, b = 0;
    explicit BlockOrder(u64 blocks) : n(blocks) {
        if (!config().shuffle_blocks || n < 2) return;
        Rng rng(config().seed * 7919 + n);
        do a = 1 + rng.below(u32(n));
        while (std::gcd(a, n) != 1);
        b = rng.below(u32(n));
    }
    u32 operator()(u64 k) const { return u32((a * k + b) % n); }
};

void work(Launch& l, Worker& w) {
    if (l.stats) w.st.reset(l.image->total_insts);
    try {
        u64 n = l.nblocks();
        u32 cs = l.cluster[0] * l.cluster[1] * l.cluster[2];
        if (l.cooperative) {
            std::vector<u32> ids;
            for (u64 i = w.id; i < n; i += l.workers) ids.push_back(u32(i));
            if (!ids.empty()) run_gang(l, w, ids);
        } else if (cs > 1) {
            u32 ncx = l.grid[0] / l.cluster[0], ncy = l.grid[1] / l.cluster[1],
                ncz = l.grid[2] / l.cluster[2];
            for (;;) {
                u64 i = l.next.fetch_add(1);
                if (i >= u64(ncx) * ncy * ncz || l.failed) break;
                u32 cx = u32(i % ncx), cy = u32(i / ncx % ncy), cz = u32(i / (u64(ncx) * ncy));
                std::vector<u32> ids;
                for (u32 z = 0; z < l.cluster[2]; z++)
                    for (u32 y = 0; y < l.cluster[1]; y++)
                        for (u32 x = 0; x < l.cluster[0]; x++)
                            ids.push_back((cx * l.cluster[0] + x) +
                                          l.grid[0] * ((cy * l.cluster[1] + y) +
                                                       l.grid[1] * (cz * l.cluster[2] + z)));
                run_gang(l, w, ids);
            }
        } else {
            u32 r = config().resident;
            const BlockOrder order(n);
            for (;;) {
                u64 i = l.next.fetch_add(r);
                if (i >= n || l.failed) break;
                std::vector<u32> ids;
                for (u64 k = i; k < std::min(n, i + r); k++) ids.push_back(order(k));
                run_gang(l, w, ids);
            }
        }
    } catch (const Violation& v) {
        std::lock_guard g(l.mu);
        if (!l.failed.exchange(true)) {
            l.message = v.what();
            l.error = v.error;
        }
    }
    if (l.stats) l.stats->merge(w.st, *l.image);
}

}  // namespace

void run_launch(Launch& l) {
    static std::atomic<u64> ids{1};
    l.grid_id = ids++;
    timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (l.cooperative) l.extra.assign(4096, 0);
    if (stats_enabled()) l.stats = stats_for(l.image->demangled);
    Pool& p = Pool::get();
    u64 n = l.nblocks();
    u32 w = u32(std::min<u64>(p.workers.size(), n));
    l.workers = w;
    p.run(w, work, l);
    if (l.stats) {
        clock_gettime(CLOCK_MONOTONIC, &b);
        KernelStats& k = *l.stats;
        {
            std::lock_guard g(k.mu);
            k.launches++;
            memcpy(k.grid, l.grid, sizeof(k.grid));
            memcpy(k.block, l.block, sizeof(k.block));
            k.max_dyn_smem = std::max(k.max_dyn_smem, l.dyn_smem);
            k.static_smem = l.image->static_shared;
            k.blocks += n;
            k.threads += n * l.block[0] * l.block[1] * l.block[2];
            k.host_seconds += double(b.tv_sec - a.tv_sec) + double(b.tv_nsec - a.tv_nsec) * 1e-9;
        }
        stats_collect_unique(k);
    }
}

}  // namespace emu
