// Control flow, calls, barriers, fences and device-side runtime functions (printf, assert, malloc).
#include <mutex>

#include "tests/cudaemu/decode/decode.h"
#include "tests/cudaemu/machine/access.h"

namespace emu {

using ptx::Operand;
using ptx::Ty;

static void exec_nop(Ctx&, const Inst&) {}
static void exec_fence(Ctx&, const Inst&) { std::atomic_thread_fence(std::memory_order_seq_cst); }
static void exec_trap(Ctx& c, const Inst&) {
    violation(c, std::countr_zero(c.mask), kErrLaunchFailure, "trap instruction executed");
}

// o[0] dst, o[1] barrier id, o[2] thread count, o[3] predicate. sub: 0 sync, 1 and, 2 or, 3 popc, 4 arrive
static void exec_bar(Ctx& c, const Inst& I) {
    const u32* ids = slot<u32>(c, I.o[1]);
    const u32* cnt = I.o[2] == kNoSlot ? nullptr : slot<u32>(c, I.o[2]);
    u32 left = c.mask;
    Warp& w = *c.warp;
    while (left) {
        int l0 = std::countr_zero(left);
        u32 g = 0;
        for_lanes(left, [&](int i) {
            if (ids[i] == ids[l0]) g |= 1u << i;
        });
        left &= ~g;
        u32 id = ids[l0];
        if (I.sub >= 1 && I.sub <= 3 && id < 16) {
            u32 p = pred(c, I.o[3]);
            NamedBarrier& b = c.block->bars[id];
            if ((p & g) != g) b.red_and = 0;
            if (p & g) b.red_or = 1;
            b.red_popc += u32(std::popcount(p & g));
        }
        if (I.sub == 4) for_lanes(g, [&](int i) { w.pc[i]++; });
        c.block->barrier_arrive(c, w, g, id, cnt ? cnt[l0] : 0, I.sub != 4);
    }
}

static void exec_warp_bar(Ctx& c, const Inst&) {
    if (c.check) c.block->race.warp_sync(int(c.warp->id));
}

// ---- device runtime ---------------------------------------------------------------------------

static std::string device_string(Ctx& c, int lane, u64 addr) {
    std::string s;
    for (;;) {
        char ch = char(*generic_ptr(c, lane, addr++, 1, false));
        if (!ch) return s;
        s += ch;
        if (s.size() > 65536) return s;
    }
}

static std::mutex g_print;

static u64 arg64(Ctx& c, int lane, const CallSite& cs, size_t k) {
    u64 v = 0;
    memcpy(&v, c.frame->params.data() + size_t(lane) * c.prog->param_bytes + cs.args[k].first,
           std::min(8u, cs.args[k].second));
    return v;
}
static void ret64(Ctx& c, int lane, const CallSite& cs, u64 v) {
    if (cs.rets.empty()) return;
    memcpy(c.frame->params.data() + size_t(lane) * c.prog->param_bytes + cs.rets[0].first, &v,
           std::min(8u, cs.rets[0].second));
}

static void exec_vprintf(Ctx& c, const Inst& I) {
    const CallSite& cs = c.prog->calls[I.ext];
    std::lock_guard g(g_print);
    for_lanes(c.mask, [&](int lane) {
        std::string f = device_string(c, lane, arg64(c, lane, cs, 0));
        u64 ap = arg64(c, lane, cs, 1);
        u64 off = 0;
        auto fetch = [&](int n) {
            off = align_up(off, u64(n));
            u64 v = 0;
            memcpy(&v, generic_ptr(c, lane, ap + off, u32(n), false), size_t(n));
            off += u64(n);
            return v;
        };
        std::string out;
        int nargs = 0;
        for (size_t i = 0; i < f.size();) {
            if (f[i] != '%') {
                out += f[i++];
                continue;
            }
            if (i + 1 < f.size() && f[i + 1] == '%') {
                out += '%';
                i += 2;
                continue;
            }
            std::string spec = "%";
            i++;
            while (i < f.size() && strchr("-+ #0123456789.*", f[i])) {
                if (f[i] == '*')
                    spec += std::to_string(int(fetch(4)));
                else
                    spec += f[i];
                i++;
            }
            int longs = 0;
            bool size_mod = false;
            while (i < f.size() && strchr("hlLzjt", f[i])) {
                if (f[i] == 'l') longs++;
                if (strchr("zjt", f[i])) size_mod = true;
                i++;
            }
            char conv = i < f.size() ? f[i++] : 'd';
            nargs++;
            if (strchr("diuxXoc", conv)) {
                if (longs || size_mod) {
                    spec += std::string("ll") + conv;
                    out += format(spec.c_str(), (unsigned long long)fetch(8));
                } else {
                    spec += conv;
                    out += format(spec.c_str(), unsigned(fetch(4)));
                }
            } else if (strchr("fFeEgGaA", conv)) {
                spec += conv;
                out += format(spec.c_str(), std::bit_cast<double>(fetch(8)));
            } else if (conv == 's') {
                spec += 's';
                u64 p = fetch(8);
                out += format(spec.c_str(), p ? device_string(c, lane, p).c_str() : "(null)");
            } else if (conv == 'p') {
                out += format("0x%llx", (unsigned long long)fetch(8));
            } else {
                out += spec + conv;
            }
        }
        fwrite(out.data(), 1, out.size(), stdout);
        ret64(c, lane, cs, u64(nargs));
    });
}

static void exec_assertfail(Ctx& c, const Inst& I) {
    const CallSite& cs = c.prog->calls[I.ext];
    int lane = std::countr_zero(c.mask);
    std::string msg = device_string(c, lane, arg64(c, lane, cs, 0)),
                file = device_string(c, lane, arg64(c, lane, cs, 1));
    std::string func = device_string(c, lane, arg64(c, lane, cs, 3));
    violation(c, lane, kErrAssert,
              format("device assertion failed: %s:%u: %s: %s", file.c_str(),
                     u32(arg64(c, lane, cs, 2)), func.c_str(), msg.c_str()));
}
static void exec_malloc(Ctx& c, const Inst& I) {
    const CallSite& cs = c.prog->calls[I.ext];
    for_lanes(c.mask, [&](int l) {
        ret64(c, l, cs, u64(DeviceMemory::get().alloc(arg64(c, l, cs, 0), MemKind::Device)));
    });
}
static void exec_free(Ctx& c, const Inst& I) {
    const CallSite& cs = c.prog->calls[I.ext];
    for_lanes(c.mask, [&](int l) {
        u64 p = arg64(c, l, cs, 0);
        if (p && !DeviceMemory::get().release(reinterpret_cast<void*>(p)))
            violation(c, l, kErrLaunchFailure, "free() of an invalid pointer");
    });
}

// ---- decoding ---------------------------------------------------------------------------------

static bool decode_call(Decoder& d, const ptx::Instr& in, Inst& I) {
    CallSite cs;
    size_t k = 0;
    auto list = [&](const Operand& o, std::vector<std::pair<u32, u32>>& out) {
        for (auto& e : o.elems) {
            if (e.kind != Operand::Sym || e.var->space != ptx::Space::Param)
                d.unsupported(in, "call argument that is not a .param variable");
            out.push_back({d.param_offset(e.var), u32(e.var->bytes)});
        }
    };
    if (in.ops[k].kind == Operand::List) list(in.ops[k++], cs.rets);
    const Operand& target = in.ops[k++];
    if (k < in.ops.size() && in.ops[k].kind == Operand::List) list(in.ops[k++], cs.args);
    I.cls = Cls::Branch;
    I.ext = u32(d.program().calls.size());
    if (target.kind == Operand::Reg) {
        cs.fptr = d.reg_slot(target.reg);
        I.kind = Kind::CallInd;
    } else {
        auto it = d.module().mod->by_name.find(target.name);
        if (it == d.module().mod->by_name.end()) d.unsupported(in, "call of an unknown function");
        cs.callee = it->second;
        if (cs.callee->has_body) {
            I.kind = Kind::Call;
            I.target = d.image().index.at(cs.callee);
        } else {
            const std::string& n = cs.callee->name;
            if (n == "vprintf")
                I.fn = exec_vprintf;
            else if (n == "__assertfail")
                I.fn = exec_assertfail;
            else if (n == "malloc")
                I.fn = exec_malloc;
            else if (n == "free")
                I.fn = exec_free;
            else
                d.unsupported(in, "call of an external device function");
        }
    }
    d.program().calls.push_back(std::move(cs));
    return true;
}

bool decode_control(Decoder& d, const ptx::Instr& in, Inst& I) {
    const std::string& op = in.parts[0];
    if (op == "bra") {
        I.kind = Kind::Bra;
        I.cls = Cls::Branch;
        I.target = d.label(in.ops[0]);
        return true;
    }
    if (op == "brx") {
        I.kind = Kind::Brx;
        I.cls = Cls::Branch;
        I.o[0] = d.reg_slot(in.ops[0].reg);
        auto it = d.function().branch_tables.find(in.ops[1].name);
        if (it == d.function().branch_tables.end()) d.unsupported(in, "unknown branch table");
        std::vector<u32> t;
        for (auto& l : it->second) {
            Operand o = in.ops[1];
            o.name = l;
            t.push_back(d.label(o));
        }
        I.target = u32(d.program().tables.size());
        d.program().tables.push_back(t);
        return true;
    }
    if (op == "call") return decode_call(d, in, I);
    if (op == "ret") {
        I.kind = Kind::Ret;
        I.cls = Cls::Branch;
        return true;
    }
    if (op == "exit") {
        I.kind = Kind::Exit;
        I.cls = Cls::Branch;
        return true;
    }
    if (op == "trap" || op == "brkpt") {
        I.fn = exec_trap;
        I.cls = Cls::Other;
        return true;
    }
    if (op == "nanosleep") {
        I.kind = Kind::Yield;
        I.fn = exec_nop;
        I.cls = Cls::Other;
        return true;
    }
    if (op == "membar" || op == "fence") {
        I.fn = exec_fence;
        I.cls = Cls::Barrier;
        return true;
    }
    if (op == "griddepcontrol" || op == "setmaxnreg" || op == "pmevent") {
        I.fn = exec_nop;
        I.cls = Cls::Other;
        return true;
    }
    if ((op == "bar" || op == "barrier") && in.parts.size() > 1 && in.parts[1] != "cluster") {
        size_t p = 1;
        if (in.parts[p] == "cta") p++;
        const std::string& k = in.parts[p];
        I.cls = Cls::Barrier;
        if (k == "warp") {
            I.kind = Kind::Sync;
            I.fn = exec_warp_bar;
            I.member = d.src(in.ops[0], Ty::B32);
            return true;
        }
        I.kind = Kind::Bar;
        I.fn = exec_bar;
        I.flags = op == "bar" || in.has("aligned");
        if (k == "sync" || k == "arrive") {
            I.sub = k == "arrive" ? 4 : 0;
            I.o[1] = d.src(in.ops[0], Ty::U32);
            if (in.ops.size() > 1) I.o[2] = d.src(in.ops[1], Ty::U32);
            return true;
        }
        if (k == "red") {
            I.sub = in.has("and") ? 1 : in.has("or") ? 2 : 3;
            I.o[0] = I.sub == 3 ? d.dst(in.ops[0]) : d.pred_dst(in.ops[0]);
            I.o[1] = d.src(in.ops[1], Ty::U32);
            if (in.ops.size() > 3) I.o[2] = d.src(in.ops[2], Ty::U32);
            I.o[3] = d.pred_src(in.ops.back());
            return true;
        }
    }
    return false;
}

}  // namespace emu
