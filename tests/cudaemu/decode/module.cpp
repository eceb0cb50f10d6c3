// Modules: variables get places, kernels are decoded with all functions that they reach.
#include <cxxabi.h>

#include "tests/cudaemu/decode/decoder.h"
#include "tests/cudaemu/machine/memory.h"

namespace fovea::cudaemu {

using ptx::Operand;
using ptx::Space;

// ---- loading ------------------------------------------------------------------------------------

static u64 symbol_value(const ptx::Module& m, const std::string& name, const std::string& user) {
    const auto global = m.globals.find(name);
    if (global != m.globals.end()) return global->second->address;
    for (size_t i = 0; i < m.funcs.size(); i++)
        if (m.funcs[i]->name == name && m.funcs[i]->has_body) return kFuncTag | i;
    die("initialiser of " + user + " refers to unknown symbol " + name);
}

std::unique_ptr<ModuleImage> load_module(std::string text) {
    auto image = std::make_unique<ModuleImage>();
    image->mod = ptx::parse_ptx(std::move(text));
    const ptx::Module& mod = *image->mod;

    std::vector<ptx::Var*> placed;
    for (auto& v : mod.vars) {
        if ((v->space != Space::Global && v->space != Space::Const) || v->external) continue;
        const u64 bytes = std::max<u64>(v->bytes, 1);
        void* p = DeviceMemory::get().alloc(bytes, MemKind::Module);
        if (!p) die("out of device memory for module variables");
        memset(p, 0, bytes);
        std::copy_n(v->init.begin(), std::min<u64>(v->init.size(), v->bytes), static_cast<u8*>(p));
        v->address = u64(p);
        placed.push_back(v.get());
    }
    for (ptx::Var* v : placed)
        for (const ptx::Reloc& r : v->relocs) {
            const u64 value = (symbol_value(mod, r.sym, v->name) + u64(r.addend)) >> r.shift;
            memcpy(reinterpret_cast<u8*>(v->address) + r.offset, &value,
                   size_t(std::min(r.size, 8)));
        }
    return image;
}

// ---- kernels ------------------------------------------------------------------------------------

namespace {

// The functions that a kernel can reach, itself first.
class Reachable {
public:
    Reachable(const ptx::Module& m, const ptx::Function* kernel) : mod_(m) {
        visit(kernel);
        if (indirect_)  // anything may be called
            for (auto& f : m.funcs)
                if (!f->entry && f->has_body) visit(f.get());
    }
    const std::vector<const ptx::Function*>& functions() const { return functions_; }
    bool indirect() const { return indirect_; }  // are there calls through pointers?

private:
    void visit(const ptx::Function* f) {
        if (std::find(functions_.begin(), functions_.end(), f) != functions_.end()) return;
        functions_.push_back(f);
        for (const ptx::Instr& in : f->code) {
            const bool call = in.parts[0] == "call";
            if (!call && in.parts[0] != "mov") continue;
            const ptx::Function* target = nullptr;
            for (const Operand& o : in.ops)
                if (o.kind == Operand::Label && !target) {
                    const auto it = mod_.by_name.find(o.name);
                    if (it != mod_.by_name.end()) target = it->second;
                }
            if (call && !target) indirect_ = true;
            if (target && target->has_body) visit(target);
        }
    }

    const ptx::Module& mod_;
    std::vector<const ptx::Function*> functions_;
    bool indirect_ = false;
};

std::vector<const ptx::Var*> shared_variables(const std::vector<const ptx::Function*>& functions) {
    std::vector<const ptx::Var*> out;
    auto visit = [&](auto&& self, const Operand& o) -> void {
        if (o.var && o.var->space == Space::Shared &&
            std::find(out.begin(), out.end(), o.var) == out.end())
            out.push_back(o.var);
        for (const Operand& e : o.elems) self(self, e);
    };
    for (const ptx::Function* f : functions)
        for (const ptx::Instr& in : f->code)
            for (const Operand& o : in.ops) visit(visit, o);
    return out;
}

// Static variables one behind the other, then dynamic shared memory, where all unsized arrays
// begin.
void place_shared(KernelImage& image, const std::vector<const ptx::Function*>& functions) {
    u32 top = kSharedStart, dynamic_align = 16;
    const auto variables = shared_variables(functions);
    auto dynamic = [](const ptx::Var* v) { return v->external || v->unsized_array; };
    for (const ptx::Var* v : variables) {
        if (dynamic(v)) {
            dynamic_align = std::max(dynamic_align, v->align);
            continue;
        }
        top = u32(align_up(top, std::max<u32>(v->align, 4)));
        image.shared_addr[v] = top;
        top += u32(v->bytes);
    }
    image.static_shared = top - kSharedStart;
    image.dyn_shared_off = u32(align_up(top, dynamic_align));
    for (const ptx::Var* v : variables)
        if (dynamic(v)) image.shared_addr[v] = image.dyn_shared_off;
}

void place_params(KernelImage& image) {
    for (const ptx::Var* v : image.fn->params) {
        const u32 at = u32(align_up(image.param_bytes, std::max<u32>(v->align, 1)));
        image.param_off.push_back(at);
        image.param_bytes = at + u32(v->bytes);
    }
}

std::string demangled(const std::string& name) {
    int status = 0;
    char* text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
    const std::string s = status == 0 && text ? text : name;
    free(text);
    return s;
}

std::unique_ptr<KernelImage> decode_kernel(ModuleImage& module, const ptx::Function* kernel) {
    constexpr u32 kStack = 8192;  // bytes for the locals of calls, which may recurse
    const ptx::Module& mod = *module.mod;
    const Reachable reachable(mod, kernel);
    auto image = std::make_unique<KernelImage>();
    image->fn = kernel;
    image->demangled = demangled(kernel->name);
    place_shared(*image, reachable.functions());
    place_params(*image);

    for (const ptx::Function* f : reachable.functions()) {
        image->index[f] = u32(image->programs.size());
        image->programs.push_back(std::make_unique<Program>());
        image->programs.back()->fn = f;
    }
    for (auto& f : mod.funcs) {
        const auto it = image->index.find(f.get());
        image->by_func.push_back(it == image->index.end() ? -1 : i32(it->second));
    }

    u32 local = 0;
    for (auto& p : image->programs) {
        Decoder(*image, *p, module).run();
        p->stat_base = image->total_insts;
        image->total_insts += u32(p->code.size());
        local += p->local_bytes;
    }
    image->local_per_thread = u32(align_up(local, 16));
    if (local > image->programs[0]->local_bytes || (local && reachable.indirect()))
        image->local_per_thread += kStack;
    return image;
}

}  // namespace

KernelImage* ModuleImage::kernel(const std::string& name) {
    std::lock_guard lock(mu);
    const auto it = mod->by_name.find(name);
    if (it == mod->by_name.end() || !it->second->entry) return nullptr;
    auto& image = kernels[it->second];
    if (!image) image = decode_kernel(*this, it->second);
    return image.get();
}

}  // namespace fovea::cudaemu
