#include "tests/cudaemu/decode/decoder.h"

#include "tests/cudaemu/machine/lanes.h"

namespace fovea::cudaemu {

using ptx::Operand;
using ptx::Space;
using ptx::Type;

constexpr u16 kResolved = 0x8000;  // Instruction::flags: the target is a program counter already

// ---- places -------------------------------------------------------------------------------------

Decoder::Decoder(KernelImage& image, Program& prog, ModuleImage& module)
    : image_(image), prog_(prog), module_(module), fn_(*prog.fn) {
    prog_.image = &image;
    prog_.mod = module.mod.get();
    place_registers();
    place_variables();
}

// Predicates are masks of 4 bytes; others have 32 lanes of 4, 8 or 16.
void Decoder::place_registers() {
    slots_.resize(fn_.regs.size());
    for (size_t i = 0; i < fn_.regs.size(); i++)
        if (fn_.regs[i].type == Type::Pred) slots_[i] = alloc(4, 4);
    for (size_t i = 0; i < fn_.regs.size(); i++)
        if (fn_.regs[i].type != Type::Pred)
            slots_[i] = scratch(std::max(4, ptx::type_size(fn_.regs[i].type)));
}

void Decoder::place_variables() {
    auto place = [](const ptx::Var* v, u32& top,
                    std::unordered_map<const ptx::Var*, u32>& offsets) {
        const u32 at = u32(align_up(top, std::max<u32>(v->align, 8)));
        top = at + u32(v->bytes);
        return offsets[v] = at;
    };
    u32 params = 0, local = 0;
    if (!fn_.entry) {
        for (auto* v : fn_.params)
            prog_.param_in.push_back({place(v, params, param_off_), u32(v->bytes)});
        for (auto* v : fn_.rets)
            prog_.param_out.push_back({place(v, params, param_off_), u32(v->bytes)});
    }
    for (auto* v : fn_.locals) {
        if (v->space == Space::Param) place(v, params, param_off_);
        if (v->space == Space::Local) place(v, local, local_off_);
    }
    prog_.param_bytes = u32(align_up(params, 16));
    prog_.local_bytes = u32(align_up(local, 16));
}

u32 Decoder::alloc(u32 bytes, u32 align) {
    const u32 at = u32(align_up(top_, align));
    top_ = at + bytes;
    return at;
}

u32 Decoder::scratch(int width) { return alloc(u32(width) * kWarp, 64); }

template <class T>
static u32 broadcast(std::vector<u8>& store, T v) {
    const size_t at = store.size();
    store.resize(at + kWarp * sizeof(T));
    for (size_t i = 0; i < kWarp; i++) memcpy(&store[at + i * sizeof(T)], &v, sizeof(T));
    return u32(at) | kConstBit;
}

u32 Decoder::const32(u32 v) {
    const auto [it, fresh] = constants32_.try_emplace(v);
    if (fresh) it->second = broadcast(prog_.const_store, v);
    return it->second;
}
u32 Decoder::const64(u64 v) {
    const auto [it, fresh] = constants64_.try_emplace(v);
    if (fresh) it->second = broadcast(prog_.const_store, v);
    return it->second;
}

u32 Decoder::sreg_slot(const std::string& name) {
    const auto it = sregs_.find(name);
    if (it != sregs_.end()) return it->second;
    const SR id = parse_sreg(name);
    if (id == SR::bad)
        die("unknown special register or undeclared register " + name + " in " + fn_.name);
    const u32 s = scratch(sreg_width(id));
    prog_.sregs.push_back({id, s});
    return sregs_[name] = s;
}

// ---- variables ----------------------------------------------------------------------------------

u64 Decoder::var_address(const ptx::Var* v) {
    auto offset = [&](const std::unordered_map<const ptx::Var*, u32>& offsets) {
        const auto it = offsets.find(v);
        if (it == offsets.end()) die("variable without an address: " + v->name);
        return it->second;
    };
    switch (v->space) {
        case Space::Global:
        case Space::Const: {
            if (!v->external) return v->address;
            const auto it = module_.mod->globals.find(v->name);
            if (it == module_.mod->globals.end() || it->second->external)
                die("unresolved external variable " + v->name +
                    " (relocatable device code is not supported)");
            return it->second->address;
        }
        case Space::Shared: return offset(image_.shared_addr);
        case Space::Local: return offset(local_off_);
        default: return param_offset(v);
    }
}

bool Decoder::is_kernel_param(const ptx::Var* v) const {
    return fn_.entry && std::find(fn_.params.begin(), fn_.params.end(), v) != fn_.params.end();
}

u32 Decoder::param_offset(const ptx::Var* v) {
    if (is_kernel_param(v)) {
        const auto it = std::find(fn_.params.begin(), fn_.params.end(), v);
        return image_.param_off[size_t(it - fn_.params.begin())];
    }
    const auto it = param_off_.find(v);
    if (it == param_off_.end()) die("parameter without storage: " + v->name);
    return it->second;
}

// ---- operands -----------------------------------------------------------------------------------

int Decoder::reg_width(const Op& o) const {
    return o.kind == Operand::Reg ? std::max(4, ptx::type_size(reg_type(o.reg))) : 4;
}

u32 Decoder::src_w(const Op& o, int width) {
    switch (o.kind) {
        case Operand::Reg:
            if (reg_width(o) != width && !(width == 8 && reg_width(o) == 16))
                unsupported(fn_.code[current_], "operand register width");
            return reg_slot(o.reg);
        case Operand::Imm: return width == 8 ? const64(u64(o.imm)) : const32(u32(o.imm));
        case Operand::F32: {
            const double wide = std::bit_cast<float>(u32(o.imm));
            return width == 8 ? const64(std::bit_cast<u64>(wide)) : const32(u32(o.imm));
        }
        case Operand::F64: {
            const float narrow = float(std::bit_cast<double>(o.imm));
            return width == 8 ? const64(u64(o.imm)) : const32(std::bit_cast<u32>(narrow));
        }
        case Operand::SReg: return sreg_slot(o.name);
        case Operand::Sym: {
            const u64 a = var_address(o.var) + u64(o.imm);
            return width == 8 ? const64(a) : const32(u32(a));
        }
        default: die("bad source operand in " + fn_.name);
    }
}

u32 Decoder::src(const Op& o, Type t) {
    const int size = ptx::type_size(t);
    if (size < 4 && o.kind == Operand::Imm) return const32(u32(o.imm) & ((1u << 8 * size) - 1));
    return src_w(o, size <= 4 ? 4 : 8);
}

u32 Decoder::dst(const Op& o) {
    if (o.kind == Operand::Reg) return reg_slot(o.reg);
    if (o.kind == Operand::Sink) return scratch(8);
    die("bad destination operand in " + fn_.name);
}

static void exec_not_pred(Context& c, const Instruction& I) {
    set_pred(c, I.o[0], ~pred(c, I.o[1]));
}

u32 Decoder::pred_src(const Op& o) {
    if (o.kind == Operand::Imm) return const32((o.imm != 0) != o.neg ? kFull : 0);
    if (o.kind == Operand::SReg) return sreg_slot(o.name);
    if (o.kind != Operand::Reg) die("bad predicate operand in " + fn_.name);
    if (!o.neg) return reg_slot(o.reg);
    Instruction invert;
    invert.fn = exec_not_pred;
    invert.src = current_;
    invert.o[0] = alloc(4, 4);
    invert.o[1] = reg_slot(o.reg);
    emit(invert);
    return invert.o[0];
}

u32 Decoder::pred_dst(const Op& o) { return o.kind == Operand::Sink ? kNoSlot : reg_slot(o.reg); }

void Decoder::address(const Op& o, Instruction& I, int k) {
    if (o.kind != Operand::Addr && o.kind != Operand::Sym && o.kind != Operand::Reg)
        die("bad address operand in " + fn_.name);
    I.imm = o.imm + (o.var ? i64(var_address(o.var)) : 0);
    if (o.reg >= 0) {
        I.o[k] = reg_slot(o.reg);
        I.a64 = ptx::type_size(reg_type(o.reg)) == 8;
        return;
    }
    I.a64 = true;
    if (o.var && o.var->space == Space::Local && !fn_.entry) {
        I.o[k] = sreg_slot("%local_base");
        return;
    }
    I.o[k] = const64(u64(I.imm));
    I.imm = 0;
}

u32 Decoder::label(const Op& o) {
    for (int scope = o.scope; scope >= 0; scope = fn_.scope_parent[size_t(scope)]) {
        const auto it = fn_.labels.find({scope, o.name});
        if (it != fn_.labels.end()) return it->second;
    }
    die("undefined label " + o.name + " in " + fn_.name);
}

// ---- instructions -------------------------------------------------------------------------------

void Decoder::unsupported(const ptx::Instr& in, const char* why) {
    const auto& lines = prog_.mod->lines;
    const bool known = in.line >= 1 && in.line <= int(lines.size());
    die(format("unsupported PTX instruction%s%s in %s, PTX line %d:\n  %s", *why ? ": " : "", why,
               fn_.name.c_str(), in.line, (known ? lines[size_t(in.line - 1)] : in.op).c_str()));
}

void Decoder::emit_poll(Instruction& I) {
    emit(I);
    Instruction again;
    again.kind = Kind::Bra;
    again.cls = Class::Branch;
    again.guard = i32(I.o[0]);
    again.gneg = true;
    again.src = I.src;
    again.flags = kResolved;
    again.target = u32(prog_.code.size()) - 1;
    I = again;
}

void Decoder::run() {
    constexpr bool (*kFamilies[])(Decoder&, const ptx::Instr&, Instruction&) = {
        decode_int,    decode_move,  decode_memory, decode_atomic,   decode_address, decode_compare,
        decode_half,   decode_float, decode_cvt,    decode_control,  decode_barrier, decode_warp,
        decode_matrix, decode_mma,   decode_wmma,   decode_cp_async, decode_mbarrier};

    std::vector<u32> pc_of;  // of each ptx::Instr
    for (const ptx::Instr& in : fn_.code) {
        pc_of.push_back(u32(prog_.code.size()));
        current_ = u32(pc_of.size()) - 1;
        Instruction I;
        for (auto decode : kFamilies) {
            I = {};
            I.src = current_;
            if (decode(*this, in, I)) break;
            I.src = kNoSlot;
        }
        if (I.src == kNoSlot) unsupported(in);
        if (in.guard >= 0) {
            if (I.guard >= 0) unsupported(in, "a guard");
            I.guard = i32(slots_[size_t(in.guard)]);
            I.gneg = in.guard_neg;
        }
        prog_.code.push_back(I);
    }
    pc_of.push_back(u32(prog_.code.size()));

    Instruction end;
    end.kind = Kind::Ret;
    end.cls = Class::Branch;
    end.src = current_;
    prog_.code.push_back(end);
    resolve_targets(pc_of);
    prog_.frame_bytes = u32(align_up(top_, 64));
    prog_.consts = static_cast<u8*>(aligned_alloc(64, align_up(prog_.const_store.size() + 64, 64)));
    std::copy(prog_.const_store.begin(), prog_.const_store.end(), prog_.consts);
}

void Decoder::resolve_targets(const std::vector<u32>& pc_of) {
    for (Instruction& I : prog_.code)
        if (I.kind == Kind::Bra && !(I.flags & kResolved)) I.target = pc_of[I.target];
    for (auto& table : prog_.tables)
        for (u32& target : table) target = pc_of[target];
}

}  // namespace fovea::cudaemu
