#include "tests/cudaemu/runtime/modules.h"

#include <mutex>

#include "tests/cudaemu/machine/config.h"
#include "tests/cudaemu/runtime/errors.h"
#include "tests/cudaemu/runtime/fatbin.h"

namespace fovea::cudaemu {

namespace {

struct VariableEntry {
    ModuleEntry* module;
    std::string name;
    size_t size;
    void** managed = nullptr;  // the host's pointer to a __managed__ variable
};

struct Registry {
    std::recursive_mutex mutex;
    std::vector<std::unique_ptr<ModuleEntry>> modules;
    std::vector<std::unique_ptr<KernelEntry>> kernels;
    std::unordered_map<const void*, KernelEntry*> kernel_of;  // by host function
    std::unordered_map<const void*, VariableEntry> variables;
};

// Never destroyed: destructors of other objects may still call CUDA.
Registry& registry() {
    static Registry* r = new Registry;
    return *r;
}

void dump_ptx(const std::string& text) {
    const char* prefix = getenv("CUDAEMU_DUMP_PTX");
    if (!prefix) return;
    static int count = 0;
    if (FILE* f = fopen(format("%s.%d.ptx", prefix, count++).c_str(), "w")) {
        fwrite(text.data(), 1, text.size(), f);
        fclose(f);
    }
}

// Chooses the PTX with the highest architecture that the device can run, and parses it.
ModuleImage* module_image(ModuleEntry* m) {
    std::lock_guard lock(registry().mutex);
    if (m->tried) return m->image.get();
    m->tried = true;
    auto entries = fatbin_ptx(m->wrapper);
    PtxEntry* best = nullptr;
    for (auto& e : entries)
        if (e.arch <= config().cc && (!best || e.arch > best->arch)) best = &e;
    if (!best) {
        std::string have;
        for (auto& e : entries) have += format(" %d", e.arch);
        complain(
            format("no embedded PTX for compute capability <= %d (PTX present for:%s). "
                   "Compile with -gencode arch=compute_80,code=compute_80",
                   config().cc, have.empty() ? " none" : have.c_str()));
        return nullptr;
    }
    m->arch = best->arch;
    dump_ptx(best->text);
    m->image = load_module(std::move(best->text));
    if (env_int("CUDAEMU_DECODE_ALL", 0))
        for (auto& f : m->image->mod->funcs)
            if (f->entry && f->has_body) m->image->kernel(f->name);
    return m->image.get();
}

KernelEntry* registered_kernel(const void* f) {
    Registry& r = registry();
    const auto it = r.kernel_of.find(f);
    if (it != r.kernel_of.end()) return it->second;
    for (auto& k : r.kernels)
        if (k.get() == f) return k.get();
    return nullptr;
}

}  // namespace

KernelEntry* find_kernel(const void* f, cudaError_t& error) {
    std::lock_guard lock(registry().mutex);
    KernelEntry* k = registered_kernel(f);
    if (!k) {
        error = set_error(cudaErrorInvalidDeviceFunction);
        return nullptr;
    }
    if (!k->image) {
        ModuleImage* m = module_image(k->module);
        if (!m) {
            error = set_error(cudaErrorNoKernelImageForDevice);
            return nullptr;
        }
        k->image = m->kernel(k->name);
        if (!k->image) {
            complain("kernel " + k->name + " is not in the selected PTX image");
            error = set_error(cudaErrorInvalidDeviceFunction);
            return nullptr;
        }
    }
    error = cudaSuccess;
    return k;
}

void* symbol_address(const void* symbol, size_t* size) {
    std::lock_guard lock(registry().mutex);
    const auto it = registry().variables.find(symbol);
    if (it == registry().variables.end()) return nullptr;
    const VariableEntry& v = it->second;
    ModuleImage* m = module_image(v.module);
    if (!m) return nullptr;
    const auto global = m->mod->globals.find(v.name);
    if (global == m->mod->globals.end()) return nullptr;
    if (size) *size = v.size;
    return v.managed ? *v.managed : reinterpret_cast<void*>(global->second->address);
}

}  // namespace fovea::cudaemu

using namespace fovea::cudaemu;

// What nvcc's start-up code calls; the signatures are those of crt/host_runtime.h.
extern "C" {

void** __cudaRegisterFatBinary(void* fat) {
    std::lock_guard lock(registry().mutex);
    auto& modules = registry().modules;
    modules.push_back(std::make_unique<ModuleEntry>());
    modules.back()->wrapper = fat;
    return reinterpret_cast<void**>(modules.back().get());
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }

void __cudaRegisterFunction(void** module, const char* host, char*, const char* name, int, uint3*,
                            uint3*, dim3*, dim3*, int*) {
    std::lock_guard lock(registry().mutex);
    auto k = std::make_unique<KernelEntry>();
    k->module = reinterpret_cast<ModuleEntry*>(module);
    k->name = name;
    registry().kernel_of[host] = k.get();
    registry().kernels.push_back(std::move(k));
}

void __cudaRegisterVar(void** module, char* host, char*, const char* name, int, size_t size, int,
                       int) {
    std::lock_guard lock(registry().mutex);
    registry().variables[host] = {reinterpret_cast<ModuleEntry*>(module), name, size, nullptr};
}

// The device refers to a managed variable by name, the host through *pointer.
void __cudaRegisterManagedVar(void** module, void** pointer, char*, const char* name, int,
                              size_t size, int, int) {
    std::lock_guard lock(registry().mutex);
    ModuleEntry* m = reinterpret_cast<ModuleEntry*>(module);
    ModuleImage* image = module_image(m);
    if (!image) return;
    const auto global = image->mod->globals.find(name);
    if (global == image->mod->globals.end())
        die(std::string("managed variable not in PTX: ") + name);
    *pointer = reinterpret_cast<void*>(global->second->address);
    registry().variables[pointer] = {m, name, size, pointer};
}

cudaError_t __cudaGetKernel(cudaKernel_t* out, const void* f) {
    std::lock_guard lock(registry().mutex);
    KernelEntry* k = registered_kernel(f);
    if (!k) return cudaErrorInvalidDeviceFunction;
    *out = reinterpret_cast<cudaKernel_t>(k);
    return cudaSuccess;
}
cudaError_t cudaGetKernel(cudaKernel_t* out, const void* f) { return __cudaGetKernel(out, f); }

cudaError_t cudaGetSymbolAddress(void** p, const void* symbol) {
    *p = symbol_address(symbol, nullptr);
    return *p ? cudaSuccess : set_error(cudaErrorInvalidSymbol);
}
cudaError_t cudaGetSymbolSize(size_t* size, const void* symbol) {
    return symbol_address(symbol, size) ? cudaSuccess : set_error(cudaErrorInvalidSymbol);
}

}  // extern "C"
