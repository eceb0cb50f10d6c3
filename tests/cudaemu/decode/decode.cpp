// Decoder core, module loading and kernel images.
#include "tests/cudaemu/decode/decode.h"

#include <cxxabi.h>

#include <algorithm>

namespace emu {

using ptx::Operand;
using ptx::Space;
using ptx::Ty;

Decoder::Decoder(KernelImage& img, Program& prog, ModuleImage& mod)
    : img_(img), prog_(prog), mod_(mod), fn_(*prog.fn) {
    prog_.image = &img;
    prog_.mod = mod.mod.get();
    // Register slots: predicates are one 32-bit lane mask; others 32 lanes of 4 or 8 bytes.
    slots_.resize(fn_.regs.size());
    for (size_t i = 0; i < fn_.regs.size(); i++)
        if (fn_.regs[i].type == Ty::Pred) slots_[i] = alloc(4, 4);
    top_ = u32(align_up(top_, 64));
    for (size_t i = 0; i < fn_.regs.size(); i++) {
        if (fn_.regs[i].type == Ty::Pred) continue;
        int sz = ptx::type_size(fn_.regs[i].type);
        slots_[i] = alloc(u32(sz <= 4 ? 4 : sz) * kWarp, 64);
    }
    // Parameters and locals.
    u32 off = 0;
    auto place = [&](const ptx::Var* v) {
        off = u32(align_up(off, std::max<u32>(v->align, 8)));
        param_off_[v] = off;
        u32 at = off;
        off += u32(v->bytes);
        return at;
    };
    if (!fn_.entry) {
        for (auto* v : fn_.params) prog_.param_in.push_back({place(v), u32(v->bytes)});
        for (auto* v : fn_.rets) prog_.param_out.push_back({place(v), u32(v->bytes)});
    }
    u32 local = 0;
    for (auto* v : fn_.locals) {
        if (v->space == Space::Param) place(v);
        if (v->space == Space::Local) {
            local = u32(align_up(local, std::max<u32>(v->align, 8)));
            local_off_[v] = local;
            local += u32(v->bytes);
        }
    }
    prog_.param_bytes = u32(align_up(off, 16));
    prog_.local_bytes = u32(align_up(local, 16));
}

u32 Decoder::alloc(u32 bytes, u32 align) {
    top_ = u32(align_up(top_, align));
    u32 r = top_;
    top_ += bytes;
    return r;
}
u32 Decoder::scratch(int width) { return alloc(u32(width) * kWarp, 64); }

void Decoder::unsupported(const ptx::Instr& in, const char* why) {
    std::string text = in.line >= 1 && in.line <= int(prog_.mod->lines.size())
                           ? prog_.mod->lines[size_t(in.line - 1)]
                           : in.op;
    die(format("unsupported PTX instruction%s%s in %s, PTX line %d:\n  %s", *why ? ": " : "", why,
               fn_.name.c_str(), in.line, text.c_str()));
}

u32 Decoder::const32(u32 v) {
    auto it = c32_.find(v);
    if (it != c32_.end()) return it->second;
    auto& s = prog_.const_store;
    u32 off = u32(s.size());
    s.resize(off + 128);
    for (int i = 0; i < kWarp; i++) memcpy(&s[off + u32(i) * 4], &v, 4);
    return c32_[v] = off | kConstBit;
}
u32 Decoder::const64(u64 v) {
    auto it = c64_.find(v);
    if (it != c64_.end()) return it->second;
    auto& s = prog_.const_store;
    u32 off = u32(s.size());
    s.resize(off + 256);
    for (int i = 0; i < kWarp; i++) memcpy(&s[off + u32(i) * 8], &v, 8);
    return c64_[v] = off | kConstBit;
}
u32 Decoder::const_pred(bool v) { return const32(v ? kFull : 0); }

int Decoder::reg_width(const Op& o) const {
    if (o.kind != Operand::Reg) return 4;
    int s = ptx::type_size(reg_type(o.reg));
    return s <= 4 ? 4 : s;
}

u64 Decoder::var_address(const ptx::Var* v) {
    switch (v->space) {
        case Space::Global:
        case Space::Const:
            if (v->external) {
                auto it = mod_.mod->globals.find(v->name);
                if (it != mod_.mod->globals.end() && !it->second->external)
                    return it->second->address;
                die("unresolved external variable " + v->name +
                    " (relocatable device code is not supported)");
            }
            return v->address;
        case Space::Shared: {
            auto it = img_.shared_addr.find(v);
            if (it == img_.shared_addr.end()) die("shared variable without an address: " + v->name);
            return it->second;
        }
        case Space::Local: {
            auto it = local_off_.find(v);
            if (it == local_off_.end()) die("local variable without an address: " + v->name);
            return it->second;
        }
        default: return param_offset(v);
    }
}

bool Decoder::is_kernel_param(const ptx::Var* v) const {
    if (!fn_.entry) return false;
    return std::find(fn_.params.begin(), fn_.params.end(), v) != fn_.params.end();
}
u32 Decoder::param_offset(const ptx::Var* v) {
    if (is_kernel_param(v)) {
        size_t i = size_t(std::find(fn_.params.begin(), fn_.params.end(), v) - fn_.params.begin());
        return img_.param_off[i];
    }
    auto it = param_off_.find(v);
    if (it == param_off_.end()) die("parameter without storage: " + v->name);
    return it->second;
}

u32 Decoder::sreg_slot(const std::string& name) {
    auto it = sregs_.find(name);
    if (it != sregs_.end()) return it->second;
    SR id = parse_sreg(name);
    if (id == SR::bad)
        die("unknown special register or undeclared register " + name + " in " + fn_.name);
    u32 s = alloc(u32(sreg_width(id)) * kWarp, 64);
    prog_.sregs.push_back({id, s});
    return sregs_[name] = s;
}

u32 Decoder::src_w(const Op& o, int width, bool) {
    switch (o.kind) {
        case Operand::Reg:
            if (reg_width(o) != width && !(width == 8 && reg_width(o) == 16))
                unsupported(fn_.code[current], "operand register width");
            return reg_slot(o.reg);
        case Operand::Imm: return width == 8 ? const64(u64(o.imm)) : const32(u32(o.imm));
        case Operand::F32:
            return width == 8
                       ? const64(std::bit_cast<u64>(double(std::bit_cast<float>(u32(o.imm)))))
                       : const32(u32(o.imm));
        case Operand::F64:
            return width == 8 ? const64(u64(o.imm))
                              : const32(std::bit_cast<u32>(float(std::bit_cast<double>(o.imm))));
        case Operand::SReg: return sreg_slot(o.name);
        case Operand::Sym: {
            u64 a = var_address(o.var) + u64(o.imm);
            return width == 8 ? const64(a) : const32(u32(a));
        }
        default: die("bad source operand in " + fn_.name);
    }
}
u32 Decoder::src(const Op& o, Ty t) {
    int w = ptx::type_size(t);
    if (w < 4 && o.kind == Operand::Imm) return const32(u32(o.imm) & (w == 2 ? 0xffffu : 0xffu));
    return src_w(o, w <= 4 ? 4 : 8);
}
u32 Decoder::dst(const Op& o) {
    if (o.kind == Operand::Reg) return reg_slot(o.reg);
    if (o.kind == Operand::Sink) return scratch(8);
    die("bad destination operand in " + fn_.name);
}

static void exec_not_pred(Ctx& c, const Inst& I) { set_pred(c, I.o[0], ~pred(c, I.o[1])); }

u32 Decoder::pred_src(const Op& o) {
    if (o.kind == Operand::Imm) return const_pred((o.imm != 0) != o.neg);
    if (o.kind == Operand::SReg) return sreg_slot(o.name);
    if (o.kind != Operand::Reg) die("bad predicate operand in " + fn_.name);
    if (!o.neg) return reg_slot(o.reg);
    Inst n;
    n.fn = exec_not_pred;
    n.src = current;
    n.o[0] = alloc(4, 4);
    n.o[1] = reg_slot(o.reg);
    emit(n);
    return n.o[0];
}
u32 Decoder::pred_dst(const Op& o) { return o.kind == Operand::Sink ? kNoSlot : reg_slot(o.reg); }

void Decoder::address(const Op& o, Inst& I, int k) {
    if (o.kind != Operand::Addr && o.kind != Operand::Sym && o.kind != Operand::Reg)
        die("bad address operand in " + fn_.name);
    I.imm = o.imm;
    if (o.reg >= 0) {
        I.o[k] = reg_slot(o.reg);
        I.a64 = reg_width(o.kind == Operand::Reg ? o : [&] {
                    Op r;
                    r.kind = Operand::Reg;
                    r.reg = o.reg;
                    return r;
                }()) == 8;
        if (o.var) I.imm += i64(var_address(o.var));
        return;
    }
    u64 a = o.var ? var_address(o.var) : 0;
    I.a64 = true;
    if (o.var && o.var->space == Space::Local && !fn_.entry) {
        I.o[k] = sreg_slot("%local_base");
        I.imm += i64(a);
        return;
    }
    I.o[k] = const64(a + u64(I.imm));
    I.imm = 0;
}

u32 Decoder::label(const Op& o) {
    int scope = o.scope;
    while (scope >= 0) {
        auto it = fn_.labels.find({scope, o.name});
        if (it != fn_.labels.end()) return it->second;
        scope = fn_.scope_parent[size_t(scope)];
    }
    die("undefined label " + o.name + " in " + fn_.name);
}

bool Decoder::decode(const ptx::Instr& in, Inst& I) {
    return decode_int(*this, in, I) || decode_mem(*this, in, I) || decode_float(*this, in, I) ||
           decode_cvt(*this, in, I) || decode_control(*this, in, I) || decode_warp(*this, in, I) ||
           decode_mma(*this, in, I) || decode_async(*this, in, I);
}

void Decoder::run() {
    pc_of_.resize(fn_.code.size() + 1);
    for (size_t i = 0; i < fn_.code.size(); i++) {
        const ptx::Instr& in = fn_.code[i];
        pc_of_[i] = u32(prog_.code.size());
        current = u32(i);
        Inst I;
        I.src = u32(i);
        if (!decode(in, I)) unsupported(in);
        if (in.guard >= 0) {
            I.guard = i32(slots_[size_t(in.guard)]);
            I.gneg = in.guard_neg;
        }
        prog_.code.push_back(I);
    }
    pc_of_[fn_.code.size()] = u32(prog_.code.size());
    Inst end;
    end.kind = Kind::Ret;
    end.cls = Cls::Branch;
    end.src = u32(fn_.code.empty() ? 0 : fn_.code.size() - 1);
    prog_.code.push_back(end);
    for (auto& I : prog_.code)
        if (I.kind == Kind::Bra && !(I.flags & 0x8000)) I.target = pc_of_[I.target];
    for (auto& t : prog_.tables)
        for (auto& x : t) x = pc_of_[x];
    prog_.frame_bytes = u32(align_up(top_, 64));
    size_t n = align_up(prog_.const_store.size() + 64, 64);
    prog_.consts = static_cast<u8*>(aligned_alloc(64, n));
    memcpy(prog_.consts, prog_.const_store.data(), prog_.const_store.size());
}

// ---- modules ----------------------------------------------------------------------------------

static u64 func_address(const ptx::Module& m, const std::string& name, bool& ok) {
    for (size_t i = 0; i < m.funcs.size(); i++)
        if (m.funcs[i]->name == name && (m.funcs[i]->has_body)) {
            ok = true;
            return kFuncTag | i;
        }
    ok = false;
    return 0;
}

std::unique_ptr<ModuleImage> load_module(std::string text) {
    auto img = std::make_unique<ModuleImage>();
    img->mod = ptx::parse_ptx(std::move(text));
    auto& mod = *img->mod;
    auto& dm = DeviceMemory::get();
    std::vector<ptx::Var*> placed;
    for (auto& v : mod.vars) {
        if ((v->space != Space::Global && v->space != Space::Const) || v->external) continue;
        u64 n = std::max<u64>(v->bytes, 1);
        u8* p = static_cast<u8*>(dm.alloc(n, MemKind::Module));
        if (!p) die("out of device memory for module variables");
        memset(p, 0, n);
        memcpy(p, v->init.data(), std::min<u64>(v->init.size(), v->bytes));
        v->address = u64(p);
        placed.push_back(v.get());
    }
    for (auto* v : placed)
        for (auto& r : v->relocs) {
            u64 a = 0;
            auto g = mod.globals.find(r.sym);
            if (g != mod.globals.end()) {
                a = g->second->address;
            } else {
                bool ok;
                a = func_address(mod, r.sym, ok);
                if (!ok) die("initialiser of " + v->name + " refers to unknown symbol " + r.sym);
            }
            a = (a + u64(r.addend)) >> r.shift;
            memcpy(reinterpret_cast<u8*>(v->address) + r.offset, &a, size_t(std::min(r.size, 8)));
        }
    return img;
}

static void collect_shared(const ptx::Function& f, std::vector<const ptx::Var*>& out) {
    auto add = [&](const ptx::Var* v) {
        if (v && v->space == Space::Shared && std::find(out.begin(), out.end(), v) == out.end())
            out.push_back(v);
    };
    auto visit = [&](auto&& self, const Operand& o) -> void {
        add(o.var);
        for (auto& e : o.elems) self(self, e);
    };
    for (auto& in : f.code)
        for (auto& o : in.ops) visit(visit, o);
}

// All functions reachable from f.
static void reach(ModuleImage& m, const ptx::Function* f, std::vector<const ptx::Function*>& out,
                  bool& indirect) {
    if (std::find(out.begin(), out.end(), f) != out.end()) return;
    out.push_back(f);
    for (auto& in : f->code) {
        if (in.parts[0] == "call") {
            bool named = false;
            for (auto& o : in.ops)
                if (o.kind == Operand::Label) {
                    auto it = m.mod->by_name.find(o.name);
                    if (it != m.mod->by_name.end()) {
                        named = true;
                        if (it->second->has_body) reach(m, it->second, out, indirect);
                        break;
                    }
                }
            if (!named) indirect = true;
        } else if (in.parts[0] == "mov") {
            for (auto& o : in.ops)
                if (o.kind == Operand::Label) {
                    auto it = m.mod->by_name.find(o.name);
                    if (it != m.mod->by_name.end() && it->second->has_body)
                        reach(m, it->second, out, indirect);
                }
        }
    }
}

KernelImage* ModuleImage::kernel(const std::string& name) {
    std::lock_guard lk(mu);
    auto it = mod->by_name.find(name);
    if (it == mod->by_name.end() || !it->second->entry) return nullptr;
    auto& slot = kernels[it->second];
    if (slot) return slot.get();
    auto img = std::make_unique<KernelImage>();
    img->module = this;
    img->fn = it->second;
    int status = 0;
    char* dem = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
    img->demangled = status == 0 && dem ? dem : name;
    free(dem);

    std::vector<const ptx::Function*> fns;
    reach(*this, it->second, fns, img->indirect);
    if (img->indirect)
        for (auto& f : mod->funcs)
            if (!f->entry && f->has_body) {
                bool dummy;
                reach(*this, f.get(), fns, dummy);
            }
    // Shared-memory layout.
    std::vector<const ptx::Var*> sh;
    for (auto* f : fns) collect_shared(*f, sh);
    u32 off = kSharedStart;
    u32 dyn_align = 16;
    for (auto* v : sh) {
        if (v->external || v->unsized_array) {
            dyn_align = std::max(dyn_align, v->align);
            continue;
        }
        off = u32(align_up(off, std::max<u32>(v->align, 4)));
        img->shared_addr[v] = off;
        off += u32(v->bytes);
    }
    img->static_shared = off - kSharedStart;
    off = u32(align_up(off, dyn_align));
    img->dyn_shared_off = off;
    for (auto* v : sh)
        if (v->external || v->unsized_array) img->shared_addr[v] = off;
    // Kernel parameters.
    u32 po = 0;
    for (auto* v : it->second->params) {
        po = u32(align_up(po, std::max<u32>(v->align, 1)));
        img->param_off.push_back(po);
        po += u32(v->bytes);
    }
    img->param_bytes = po;
    // Decode.
    img->by_func.assign(mod->funcs.size(), -1);
    for (size_t i = 0; i < fns.size(); i++) {
        img->index[fns[i]] = u32(i);
        for (size_t k = 0; k < mod->funcs.size(); k++)
            if (mod->funcs[k].get() == fns[i]) img->by_func[k] = i32(i);
        img->programs.push_back(std::make_unique<Program>());
        img->programs.back()->fn = fns[i];
        img->programs.back()->index = u32(i);
    }
    u32 base = 0, local = 0;
    for (auto& p : img->programs) {
        Decoder(*img, *p, *this).run();
        p->stat_base = base;
        base += u32(p->code.size());
        local += p->local_bytes;
    }
    img->total_insts = base;
    if (fns.size() > 1) {
        // Calls may recurse: leave room for a stack when any local storage is used at all.
        img->local_per_thread =
            local ? u32(align_up(local, 16)) +
                        (local > img->programs[0]->local_bytes || img->indirect ? 8192 : 0)
                  : 0;
    } else {
        img->local_per_thread = u32(align_up(local, 16));
    }
    slot = std::move(img);
    return slot.get();
}

}  // namespace emu
