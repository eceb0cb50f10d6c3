// The CUDA runtime API on top of the emulator: registration, launches, memory, device queries.
#include "tests/cudaemu/runtime/runtime.h"

#include <time.h>

#include <algorithm>
#include <set>

#include "tests/cudaemu/runtime/fatbin.h"

using namespace emu;

namespace emu {

// ---- errors -----------------------------------------------------------------------------------

static std::atomic<int> g_sticky{0};
static thread_local cudaError_t t_last = cudaSuccess;

cudaError_t sticky() { return cudaError_t(g_sticky.load()); }
cudaError_t set_error(cudaError_t e) {
    if (e != cudaSuccess) t_last = e;
    return e;
}

static void complain(const std::string& msg) {
    fflush(stdout);
    fprintf(stderr, "cudaemu: %s\n", msg.c_str());
    if (config().fatal) {
        fprintf(stderr, "cudaemu: aborting (CUDAEMU_CHECK_FATAL)\n");
        abort();
    }
}

double now_ms() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return double(t.tv_sec) * 1e3 + double(t.tv_nsec) * 1e-6;
}

// ---- registration -----------------------------------------------------------------------------

struct Registry {
    std::recursive_mutex mu;
    std::vector<std::unique_ptr<ModuleReg>> modules;
    std::vector<std::unique_ptr<KernelReg>> kernels;
    std::unordered_map<const void*, KernelReg*> by_host;
    struct VarReg {
        ModuleReg* mod;
        std::string name;
        size_t size;
        void** managed = nullptr;
    };
    std::unordered_map<const void*, VarReg> vars;
};
static Registry& reg() {
    static Registry* r = new Registry;
    return *r;
}

// Selects the PTX with the highest architecture the device can run, and parses it.
static ModuleImage* module_image(ModuleReg* m) {
    std::lock_guard lk(reg().mu);
    if (m->tried) return m->image.get();
    m->tried = true;
    auto list = fatbin_ptx(m->wrapper);
    PtxEntry* best = nullptr;
    for (auto& e : list)
        if (e.arch <= config().cc && (!best || e.arch > best->arch)) best = &e;
    if (!best) {
        std::string have;
        for (auto& e : list) have += format(" %d", e.arch);
        complain(
            format("no embedded PTX for compute capability <= %d (PTX present for:%s). Compile "
                   "with -gencode arch=compute_80,code=compute_80",
                   config().cc, have.empty() ? " none" : have.c_str()));
        return nullptr;
    }
    m->arch = best->arch;
    if (const char* dump = getenv("CUDAEMU_DUMP_PTX")) {
        static int n = 0;
        std::string f = format("%s.%d.ptx", dump, n++);
        if (FILE* o = fopen(f.c_str(), "w")) {
            fwrite(best->text.data(), 1, best->text.size(), o);
            fclose(o);
        }
    }
    m->image = load_module(std::move(best->text));
    if (env_int("CUDAEMU_DECODE_ALL",
                0))  // report unsupported instructions of every kernel at once
        for (auto& f : m->image->mod->funcs)
            if (f->entry && f->has_body) m->image->kernel(f->name);
    return m->image.get();
}

static KernelReg* find_kernel(const void* f) {
    std::lock_guard lk(reg().mu);
    auto it = reg().by_host.find(f);
    if (it != reg().by_host.end()) return it->second;
    for (auto& k : reg().kernels)
        if (k.get() == f) return k.get();
    return nullptr;
}

static cudaError_t kernel_image(KernelReg* k, KernelImage*& out) {
    std::lock_guard lk(reg().mu);
    if (!k->image) {
        ModuleImage* m = module_image(k->mod);
        if (!m) return cudaErrorNoKernelImageForDevice;
        k->image = m->kernel(k->name);
        if (!k->image) {
            complain("kernel " + k->name + " is not in the selected PTX image");
            return cudaErrorInvalidDeviceFunction;
        }
    }
    out = k->image;
    return cudaSuccess;
}

// ---- streams and capture ----------------------------------------------------------------------

static std::atomic<int> g_captures{0};  // not relaxed
static std::atomic<int> g_blocking_captures{
    0};  // started in streams that synchronise with the legacy stream
static std::mutex g_stream_mu;
static std::set<CUstream_st*> g_streams;         // user streams
static std::set<CUgraph_st*> g_active_captures;  // graphs being captured

CUstream_st* stream_of(cudaStream_t s) {
    static CUstream_st legacy, per_thread;
    if (s == nullptr || s == cudaStreamLegacy) return &legacy;
    if (s == cudaStreamPerThread) return &per_thread;
    return s;
}

// ---- lazy streams -----------------------------------------------------------------------------

static bool lazy() {
    static const bool on = env_int("CUDAEMU_LAZY", 0) != 0;
    return on;
}
static std::recursive_mutex g_lazy_mu;
static std::vector<CUstream_st*> all_streams() {
    std::lock_guard lk(g_stream_mu);
    std::vector<CUstream_st*> v(g_streams.begin(), g_streams.end());
    v.push_back(stream_of(nullptr));
    v.push_back(stream_of(cudaStreamPerThread));
    return v;
}
// Runs the next operation of the stream, or of the stream its event wait depends on.
static void step(CUstream_st* s, int depth = 0) {
    if (s->queue.empty()) return;
    StreamOp& op = s->queue.front();
    if (op.wait && op.wait->done < op.seq) {
        if (depth > 1000 || op.wait->stream == s || op.wait->stream->queue.empty())
            die("event wait that can never complete");
        return step(op.wait->stream, depth + 1);
    }
    auto fn = std::move(op.run);
    s->queue.pop_front();
    if (fn && !sticky()) {
        cudaError_t e = fn();
        if (e != cudaSuccess) set_error(e);
    }
}
static void drain(CUstream_st* s) {
    if (!lazy()) return;
    std::lock_guard lk(g_lazy_mu);
    while (!s->queue.empty()) step(s);
}
static void drain_all(bool blocking_only = false) {
    if (!lazy()) return;
    std::lock_guard lk(g_lazy_mu);
    static Rng rng(config().seed + 99);
    for (;;) {
        std::vector<CUstream_st*> v;
        for (CUstream_st* s : all_streams())
            if (!s->queue.empty() && !(blocking_only && (s->flags & cudaStreamNonBlocking)))
                v.push_back(s);
        if (v.empty()) return;
        step(v[config().seed ? rng.below(u32(v.size())) : v.size() - 1]);
    }
}
// Legacy-stream work comes after all blocking streams, theirs after the legacy stream.
static void order_legacy(CUstream_st* st) {
    CUstream_st* legacy = stream_of(nullptr);
    if (st == legacy) {
        for (CUstream_st* s : all_streams())
            if (s != legacy && !(s->flags & cudaStreamNonBlocking) && !s->queue.empty()) {
                drain(legacy);
                drain(s);
            }
    } else if (!(st->flags & cudaStreamNonBlocking)) {
        drain(legacy);
    }
}

cudaError_t enqueue(cudaStream_t s, GraphNode::Type t, std::function<cudaError_t()> fn) {
    if (sticky()) return set_error(sticky());
    CUstream_st* st = stream_of(s);
    if (st->capture) {
        auto n = std::make_unique<GraphNode>();
        n->type = t;
        n->run = std::move(fn);
        st->capture->nodes.push_back(std::move(n));
        return cudaSuccess;
    }
    if (g_blocking_captures && (s == nullptr || s == cudaStreamLegacy)) {
        complain("operation on the legacy default stream while a stream capture is in progress");
        return set_error(cudaErrorStreamCaptureImplicit);
    }
    if (lazy()) {
        std::lock_guard lk(g_lazy_mu);
        order_legacy(st);
        st->queue.push_back({std::move(fn), nullptr, 0});
        return cudaSuccess;
    }
    return set_error(fn());
}

bool capture_forbids(const char* api) {
    if (!g_captures) return false;
    complain(format("%s called during stream capture (not permitted)", api));
    return true;
}

// ---- launching --------------------------------------------------------------------------------

struct LaunchConfig {
    dim3 grid, block, cluster{1, 1, 1};
    size_t smem = 0;
    bool cooperative = false;
};

static cudaError_t check_launch(KernelReg* k, KernelImage* img, LaunchConfig& c) {
    const Config& cfg = config();
    auto bad = [&](cudaError_t e, const std::string& why) {
        complain(format(
            "launch of %s rejected: %s [grid (%u,%u,%u) block (%u,%u,%u) dynamic shared %zu]",
            img->demangled.c_str(), why.c_str(), c.grid.x, c.grid.y, c.grid.z, c.block.x, c.block.y,
            c.block.z, c.smem));
        return e;
    };
    u64 threads = u64(c.block.x) * c.block.y * c.block.z;
    if (!threads || !c.grid.x || !c.grid.y || !c.grid.z)
        return bad(cudaErrorInvalidConfiguration, "zero-sized grid or block");
    if (threads > 1024)
        return bad(cudaErrorInvalidConfiguration,
                   format("%llu threads per block exceed 1024", (unsigned long long)threads));
    if (c.block.z > 64) return bad(cudaErrorInvalidConfiguration, "block.z exceeds 64");
    if (c.grid.x > 0x7fffffffu || c.grid.y > 65535 || c.grid.z > 65535)
        return bad(cudaErrorInvalidConfiguration, "grid dimension too large");
    if (u64(c.grid.x) * c.grid.y * c.grid.z > 0xffffffffull)
        return bad(cudaErrorInvalidConfiguration,
                   "more than 2^32 blocks are not supported by cudaemu");
    size_t limit = k->max_dyn_smem >= 0 ? size_t(k->max_dyn_smem) : 0;
    limit = std::max<size_t>(
        limit, cfg.smem_block > img->static_shared ? cfg.smem_block - img->static_shared : 0);
    if (c.smem > limit)
        return bad(cudaErrorInvalidValue,
                   format("dynamic shared memory exceeds the limit of %zu bytes (set "
                          "cudaFuncAttributeMaxDynamicSharedMemorySize)",
                          limit));
    if (c.smem + img->static_shared > cfg.smem_optin)
        return bad(cudaErrorInvalidValue,
                   format("shared memory exceeds the device limit of %u bytes", cfg.smem_optin));
    const u32* rq = img->fn->reqntid;
    if (rq[0] && (c.block.x != rq[0] || c.block.y != rq[1] || c.block.z != rq[2]))
        return bad(cudaErrorInvalidValue, "block shape differs from .reqntid");
    const u32* mx = img->fn->maxntid;
    if (mx[0] && threads > u64(mx[0]) * mx[1] * mx[2])
        return bad(cudaErrorLaunchFailure,
                   format("%llu threads exceed __launch_bounds__ of %u",
                          (unsigned long long)threads, mx[0] * mx[1] * mx[2]));
    const u32* cl = img->fn->cluster;
    if (cl[0]) c.cluster = dim3(cl[0], cl[1], cl[2]);
    if (c.grid.x % c.cluster.x || c.grid.y % c.cluster.y || c.grid.z % c.cluster.z)
        return bad(cudaErrorInvalidConfiguration, "grid is not a multiple of the cluster size");
    if (c.cluster.x * c.cluster.y * c.cluster.z > 16)
        return bad(cudaErrorInvalidConfiguration, "cluster larger than 16 blocks");
    return cudaSuccess;
}

static cudaError_t run_kernel(KernelImage* img, const LaunchConfig& c,
                              const std::vector<u8>& params) {
    Launch l;
    l.image = img;
    l.grid[0] = c.grid.x, l.grid[1] = c.grid.y, l.grid[2] = c.grid.z;
    l.block[0] = c.block.x, l.block[1] = c.block.y, l.block[2] = c.block.z;
    l.cluster[0] = c.cluster.x, l.cluster[1] = c.cluster.y, l.cluster[2] = c.cluster.z;
    l.dyn_smem = u32(c.smem);
    l.cooperative = c.cooperative;
    l.params = params;
    if (config().verbose)
        fprintf(stderr, "cudaemu: launch %s grid (%u,%u,%u) block (%u,%u,%u) smem %zu\n",
                img->demangled.c_str(), c.grid.x, c.grid.y, c.grid.z, c.block.x, c.block.y,
                c.block.z, c.smem);
    run_launch(l);
    fflush(stdout);
    if (l.failed) {
        g_sticky = l.error;
        complain(l.message);
        return cudaError_t(l.error);
    }
    return cudaSuccess;
}

static cudaError_t launch(const void* f, LaunchConfig c, void** args, cudaStream_t s) {
    if (sticky()) return set_error(sticky());
    KernelReg* k = find_kernel(f);
    if (!k) return set_error(cudaErrorInvalidDeviceFunction);
    KernelImage* img;
    cudaError_t e = kernel_image(k, img);
    if (e == cudaSuccess) e = check_launch(k, img, c);
    if (e != cudaSuccess) return set_error(e);
    if (c.cooperative) {
        int per = 0;
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(
            &per, f, int(c.block.x * c.block.y * c.block.z), c.smem);
        if (u64(c.grid.x) * c.grid.y * c.grid.z > u64(per) * u64(config().sms))
            return set_error(cudaErrorCooperativeLaunchTooLarge);
    }
    std::vector<u8> params(img->param_bytes);
    for (size_t i = 0; i < img->fn->params.size(); i++)
        memcpy(params.data() + img->param_off[i], args[i], img->fn->params[i]->bytes);
    return enqueue(s, GraphNode::Kernel, [img, c, params] { return run_kernel(img, c, params); });
}

// ---- memory checks ----------------------------------------------------------------------------

static bool check_range(const void* p, size_t n, const char* api, bool must_be_device) {
    if (!n) return true;
    Allocation a;
    auto& dm = DeviceMemory::get();
    if (dm.find(u64(p), a)) {
        if (u64(p) + n <= a.base + a.size) return true;
        complain(
            format("%s: range of %zu bytes at %p runs %llu bytes past the end of an allocation of "
                   "%llu bytes",
                   api, n, p, (unsigned long long)(u64(p) + n - a.base - a.size),
                   (unsigned long long)a.size));
        return false;
    }
    if (dm.in_arena(u64(p)) || must_be_device) {
        complain(
            format("%s: %p is not a device pointer (%s)", api, p, dm.describe(u64(p)).c_str()));
        return false;
    }
    return true;
}

static cudaError_t copy(void* dst, const void* src, size_t n, cudaMemcpyKind kind,
                        const char* api) {
    if (!n) return cudaSuccess;
    if (!dst || !src) return cudaErrorInvalidValue;
    bool dd = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice,
         sd = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (!check_range(dst, n, api, dd) || !check_range(src, n, api, sd))
        return cudaErrorInvalidValue;
    memmove(dst, src, n);
    return cudaSuccess;
}
static cudaError_t copy2d(void* dst, size_t dp, const void* src, size_t sp, size_t w, size_t h,
                          cudaMemcpyKind kind) {
    if (w > dp || w > sp) return cudaErrorInvalidPitchValue;
    for (size_t y = 0; y < h; y++) {
        cudaError_t e = copy(static_cast<char*>(dst) + y * dp,
                             static_cast<const char*>(src) + y * sp, w, kind, "cudaMemcpy2D");
        if (e != cudaSuccess) return e;
    }
    return cudaSuccess;
}

static void* symbol_address(const void* sym, size_t* size) {
    std::lock_guard lk(reg().mu);
    auto it = reg().vars.find(sym);
    if (it == reg().vars.end()) return nullptr;
    ModuleImage* m = module_image(it->second.mod);
    if (!m) return nullptr;
    auto g = m->mod->globals.find(it->second.name);
    if (g == m->mod->globals.end()) return nullptr;
    if (size) *size = it->second.size;
    if (it->second.managed) return *it->second.managed;
    return reinterpret_cast<void*>(g->second->address);
}

}  // namespace emu

#define RET_STICKY()                              \
    do {                                          \
        if (sticky()) return set_error(sticky()); \
    } while (0)

extern "C" {

int cudaemu_check_range(const void* p, size_t n, const char* what) {
    return check_range(p, n, what, true);
}

// ---- registration entry points ----------------------------------------------------------------

void** __cudaRegisterFatBinary(void* fat) {
    std::lock_guard lk(reg().mu);
    reg().modules.push_back(std::make_unique<ModuleReg>());
    reg().modules.back()->wrapper = fat;
    return reinterpret_cast<void**>(reg().modules.back().get());
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 1; }
void __cudaRegisterFunction(void** h, const char* host, char*, const char* name, int, uint3*,
                            uint3*, dim3*, dim3*, int*) {
    std::lock_guard lk(reg().mu);
    auto k = std::make_unique<KernelReg>();
    k->mod = reinterpret_cast<ModuleReg*>(h);
    k->name = name;
    k->host = host;
    reg().by_host[host] = k.get();
    reg().kernels.push_back(std::move(k));
}
void __cudaRegisterVar(void** h, char* host, char*, const char* name, int, size_t size, int, int) {
    std::lock_guard lk(reg().mu);
    reg().vars[host] = {reinterpret_cast<ModuleReg*>(h), name, size, nullptr};
}
void __cudaRegisterManagedVar(void** h, void** ptr, char*, const char* name, int, size_t size, int,
                              int) {
    // The device side refers to the variable by name, the host through *ptr.
    std::lock_guard lk(reg().mu);
    ModuleReg* m = reinterpret_cast<ModuleReg*>(h);
    ModuleImage* img = module_image(m);
    if (!img) return;
    auto g = img->mod->globals.find(name);
    if (g == img->mod->globals.end()) die(std::string("managed variable not in PTX: ") + name);
    *ptr = reinterpret_cast<void*>(g->second->address);
    reg().vars[ptr] = {m, name, size, ptr};
}

struct PushedConfig {
    dim3 grid, block;
    size_t smem;
    void* stream;
};
static thread_local std::vector<PushedConfig> t_configs;
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t smem,
                                     struct CUstream_st* stream) {
    t_configs.push_back({grid, block, smem, stream});
    return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* smem, void* stream) {
    if (t_configs.empty()) return set_error(cudaErrorMissingConfiguration);
    auto c = t_configs.back();
    t_configs.pop_back();
    *grid = c.grid;
    *block = c.block;
    *smem = c.smem;
    *static_cast<void**>(stream) = c.stream;
    return cudaSuccess;
}
cudaError_t __cudaGetKernel(cudaKernel_t* out, const void* f) {
    KernelReg* k = find_kernel(f);
    if (!k) return cudaErrorInvalidDeviceFunction;
    *out = reinterpret_cast<cudaKernel_t>(k);
    return cudaSuccess;
}
cudaError_t cudaGetKernel(cudaKernel_t* out, const void* f) { return __cudaGetKernel(out, f); }
cudaError_t __cudaLaunchKernel(cudaKernel_t k, dim3 grid, dim3 block, void** args, size_t smem,
                               cudaStream_t s) {
    LaunchConfig c;
    c.grid = grid, c.block = block, c.smem = smem;
    return launch(k, c, args, s);
}
cudaError_t __cudaLaunchKernel_ptsz(cudaKernel_t k, dim3 grid, dim3 block, void** args, size_t smem,
                                    cudaStream_t s) {
    return __cudaLaunchKernel(k, grid, block, args, smem, s);
}
cudaError_t cudaLaunchKernel(const void* f, dim3 grid, dim3 block, void** args, size_t smem,
                             cudaStream_t s) {
    LaunchConfig c;
    c.grid = grid, c.block = block, c.smem = smem;
    return launch(f, c, args, s);
}
cudaError_t cudaLaunchCooperativeKernel(const void* f, dim3 grid, dim3 block, void** args,
                                        size_t smem, cudaStream_t s) {
    LaunchConfig c;
    c.grid = grid, c.block = block, c.smem = smem;
    c.cooperative = true;
    return launch(f, c, args, s);
}
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* cfg, const void* f, void** args) {
    LaunchConfig c;
    c.grid = cfg->gridDim, c.block = cfg->blockDim, c.smem = cfg->dynamicSmemBytes;
    for (unsigned i = 0; i < cfg->numAttrs; i++) {
        const cudaLaunchAttribute& a = cfg->attrs[i];
        switch (a.id) {
            case cudaLaunchAttributeClusterDimension:
                c.cluster = dim3(a.val.clusterDim.x, a.val.clusterDim.y, a.val.clusterDim.z);
                break;
            case cudaLaunchAttributeCooperative: c.cooperative = a.val.cooperative != 0; break;
            case cudaLaunchAttributeIgnore:
            case cudaLaunchAttributeAccessPolicyWindow:
            case cudaLaunchAttributeSynchronizationPolicy:
            case cudaLaunchAttributeClusterSchedulingPolicyPreference:
            case cudaLaunchAttributeProgrammaticStreamSerialization:
            case cudaLaunchAttributePriority:
            case cudaLaunchAttributeMemSyncDomain:
            case cudaLaunchAttributeMemSyncDomainMap:
            case cudaLaunchAttributePreferredSharedMemoryCarveout: break;
            default:
                die(format("cudaLaunchKernelExC: launch attribute %d is not supported", int(a.id)));
        }
    }
    return launch(f, c, args, cfg->stream);
}

// ---- errors -----------------------------------------------------------------------------------

cudaError_t cudaGetLastError() {
    if (sticky()) return sticky();
    cudaError_t e = t_last;
    t_last = cudaSuccess;
    return e;
}
cudaError_t cudaPeekAtLastError() { return sticky() ? sticky() : t_last; }

static const struct {
    cudaError_t e;
    const char *name, *text;
} kErrors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidPitchValue, "cudaErrorInvalidPitchValue", "invalid pitch argument"},
    {cudaErrorInvalidSymbol, "cudaErrorInvalidSymbol", "invalid device symbol"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection",
     "invalid copy direction for memcpy"},
    {cudaErrorMissingConfiguration, "cudaErrorMissingConfiguration",
     "__global__ function call is not configured"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources",
     "too many resources requested for launch"},
    {cudaErrorLaunchTimeout, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
    {cudaErrorAssert, "cudaErrorAssert", "device-side assert triggered"},
    {cudaErrorHostMemoryAlreadyRegistered, "cudaErrorHostMemoryAlreadyRegistered",
     "part or all of the requested memory range is already mapped"},
    {cudaErrorHostMemoryNotRegistered, "cudaErrorHostMemoryNotRegistered",
     "pointer does not correspond to a registered memory region"},
    {cudaErrorIllegalInstruction, "cudaErrorIllegalInstruction",
     "an illegal instruction was encountered"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorInvalidAddressSpace, "cudaErrorInvalidAddressSpace",
     "operation not supported on global/shared address space"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorCooperativeLaunchTooLarge, "cudaErrorCooperativeLaunchTooLarge",
     "too many blocks in cooperative launch"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched",
     "capture was not initiated in this stream"},
    {cudaErrorGraphExecUpdateFailure, "cudaErrorGraphExecUpdateFailure",
     "the graph update was not performed because it included changes which violated constraints "
     "specific to instantiated graph update"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};
const char* cudaGetErrorString(cudaError_t e) {
    for (auto& k : kErrors)
        if (k.e == e) return k.text;
    return "unrecognized error code";
}
const char* cudaGetErrorName(cudaError_t e) {
    for (auto& k : kErrors)
        if (k.e == e) return k.name;
    return "unrecognized error code";
}

// ---- device queries ---------------------------------------------------------------------------

cudaError_t cudaGetDeviceCount(int* n) {
    *n = 1;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int d) {
    return d == 0 ? cudaSuccess : set_error(cudaErrorInvalidDevice);
}
cudaError_t cudaInitDevice(int d, unsigned, unsigned) { return cudaSetDevice(d); }
cudaError_t cudaGetDevice(int* d) {
    *d = 0;
    return cudaSuccess;
}
cudaError_t cudaSetDeviceFlags(unsigned) { return cudaSuccess; }
cudaError_t cudaGetDeviceFlags(unsigned* f) {
    *f = 0;
    return cudaSuccess;
}
cudaError_t cudaDeviceReset() { return cudaSuccess; }
cudaError_t cudaDeviceSynchronize() {
    if (capture_forbids("cudaDeviceSynchronize"))
        return set_error(cudaErrorStreamCaptureUnsupported);
    drain_all();
    return sticky() ? set_error(sticky()) : cudaSuccess;
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* lo, int* hi) {
    if (lo) *lo = 0;
    if (hi) *hi = -5;
    return cudaSuccess;
}
cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) { return cudaSuccess; }
cudaError_t cudaDeviceGetCacheConfig(cudaFuncCache* c) {
    *c = cudaFuncCachePreferNone;
    return cudaSuccess;
}
static size_t g_limits[16] = {1024, 1 << 20, 8 << 20, 2, 2048, 128, 0};
cudaError_t cudaDeviceSetLimit(cudaLimit l, size_t v) {
    if (unsigned(l) < 16) g_limits[l] = v;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetLimit(size_t* v, cudaLimit l) {
    *v = unsigned(l) < 16 ? g_limits[l] : 0;
    return cudaSuccess;
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
    *can = 0;
    return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* v) {
    *v = 13000;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* v) {
    *v = 13000;
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* f, size_t* t) {
    auto& dm = DeviceMemory::get();
    *t = dm.total();
    *f = dm.total() - std::min(dm.used(), dm.total());
    return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* s, int n, int) {
    snprintf(s, size_t(n), "0000:00:00.0");
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int d) {
    if (d != 0) return set_error(cudaErrorInvalidDevice);
    const Config& c = config();
    memset(p, 0, sizeof(*p));
    strcpy(p->name, "cudaemu");
    p->totalGlobalMem = DeviceMemory::get().total();
    p->sharedMemPerBlock = c.smem_block;
    p->regsPerBlock = 65536;
    p->warpSize = 32;
    p->memPitch = 0x7fffffff;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->totalConstMem = 65536;
    p->major = c.cc / 10;
    p->minor = c.cc % 10;
    p->textureAlignment = 512;
    p->texturePitchAlignment = 32;
    p->multiProcessorCount = c.sms;
    p->canMapHostMemory = 1;
    p->concurrentKernels = 1;
    p->asyncEngineCount = 3;
    p->unifiedAddressing = 1;
    p->memoryBusWidth = 5120;
    p->l2CacheSize = 50 << 20;
    p->persistingL2CacheMaxSize = 32 << 20;
    p->maxThreadsPerMultiProcessor = 2048;
    p->streamPrioritiesSupported = 1;
    p->globalL1CacheSupported = p->localL1CacheSupported = 1;
    p->sharedMemPerMultiprocessor = c.smem_sm;
    p->regsPerMultiprocessor = 65536;
    p->managedMemory = 1;
    p->concurrentManagedAccess = 1;
    p->computePreemptionSupported = 1;
    p->cooperativeLaunch = 1;
    p->sharedMemPerBlockOptin = c.smem_optin;
    p->maxBlocksPerMultiProcessor = 32;
    p->accessPolicyMaxWindowSize = 128 << 20;
    p->reservedSharedMemPerBlock = 1024;
    p->hostRegisterSupported = 1;
    p->memoryPoolsSupported = 1;
    p->clusterLaunch = c.cc >= 90;
    p->unifiedFunctionPointers = 0;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* v, cudaDeviceAttr a, int d) {
    if (d != 0) return set_error(cudaErrorInvalidDevice);
    const Config& c = config();
    switch (a) {
        case cudaDevAttrMaxThreadsPerBlock:
        case cudaDevAttrMaxBlockDimX:
        case cudaDevAttrMaxBlockDimY: *v = 1024; break;
        case cudaDevAttrMaxBlockDimZ: *v = 64; break;
        case cudaDevAttrMaxGridDimX: *v = 0x7fffffff; break;
        case cudaDevAttrMaxGridDimY:
        case cudaDevAttrMaxGridDimZ: *v = 65535; break;
        case cudaDevAttrMaxSharedMemoryPerBlock: *v = int(c.smem_block); break;
        case cudaDevAttrTotalConstantMemory: *v = 65536; break;
        case cudaDevAttrWarpSize: *v = 32; break;
        case cudaDevAttrMaxPitch: *v = 0x7fffffff; break;
        case cudaDevAttrMaxRegistersPerBlock:
        case cudaDevAttrMaxRegistersPerMultiprocessor: *v = 65536; break;
        case cudaDevAttrClockRate: *v = 1755000; break;
        case cudaDevAttrTextureAlignment: *v = 512; break;
        case cudaDevAttrMultiProcessorCount: *v = c.sms; break;
        case cudaDevAttrKernelExecTimeout:
        case cudaDevAttrIntegrated:
        case cudaDevAttrEccEnabled:
        case cudaDevAttrTccDriver:
        case cudaDevAttrIsMultiGpuBoard:
        case cudaDevAttrMultiGpuBoardGroupID:
        case cudaDevAttrPageableMemoryAccess:
        case cudaDevAttrComputeMode:
        case cudaDevAttrPciBusId:
        case cudaDevAttrPciDeviceId:
        case cudaDevAttrPciDomainId:
        case cudaDevAttrHostNativeAtomicSupported:
        case cudaDevAttrDirectManagedMemAccessFromHost:
        case cudaDevAttrPageableMemoryAccessUsesHostPageTables:
        case cudaDevAttrGPUDirectRDMASupported:
        case cudaDevAttrMpsEnabled:
        case cudaDevAttrIpcEventSupport:
        case cudaDevAttrMemoryPoolSupportedHandleTypes: *v = 0; break;
        case cudaDevAttrCanMapHostMemory:
        case cudaDevAttrConcurrentKernels:
        case cudaDevAttrUnifiedAddressing:
        case cudaDevAttrStreamPrioritiesSupported:
        case cudaDevAttrGlobalL1CacheSupported:
        case cudaDevAttrLocalL1CacheSupported:
        case cudaDevAttrManagedMemory:
        case cudaDevAttrConcurrentManagedAccess:
        case cudaDevAttrComputePreemptionSupported:
        case cudaDevAttrCanUseHostPointerForRegisteredMem:
        case cudaDevAttrCooperativeLaunch:
        case cudaDevAttrHostRegisterSupported:
        case cudaDevAttrMemoryPoolsSupported:
        case cudaDevAttrGpuOverlap: *v = 1; break;
        case cudaDevAttrAsyncEngineCount: *v = 3; break;
        case cudaDevAttrMemoryClockRate: *v = 2619000; break;
        case cudaDevAttrGlobalMemoryBusWidth: *v = 5120; break;
        case cudaDevAttrL2CacheSize: *v = 50 << 20; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *v = 2048; break;
        case cudaDevAttrComputeCapabilityMajor: *v = c.cc / 10; break;
        case cudaDevAttrComputeCapabilityMinor: *v = c.cc % 10; break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *v = int(c.smem_sm); break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *v = int(c.smem_optin); break;
        case cudaDevAttrMaxBlocksPerMultiprocessor: *v = 32; break;
        case cudaDevAttrMaxPersistingL2CacheSize: *v = 32 << 20; break;
        case cudaDevAttrMaxAccessPolicyWindowSize: *v = 128 << 20; break;
        case cudaDevAttrReservedSharedMemoryPerBlock: *v = 1024; break;
        case cudaDevAttrClusterLaunch: *v = c.cc >= 90; break;
        case cudaDevAttrSingleToDoublePrecisionPerfRatio: *v = 2; break;
        default: die(format("cudaDeviceGetAttribute: attribute %d is not supported", int(a)));
    }
    return cudaSuccess;
}

// ---- functions --------------------------------------------------------------------------------

cudaError_t cudaFuncSetAttribute(const void* f, cudaFuncAttribute a, int v) {
    KernelReg* k = find_kernel(f);
    if (!k) return set_error(cudaErrorInvalidDeviceFunction);
    if (a == cudaFuncAttributeMaxDynamicSharedMemorySize) {
        KernelImage* img;
        cudaError_t e = kernel_image(k, img);
        if (e != cudaSuccess) return set_error(e);
        if (v < 0 || u32(v) + img->static_shared > config().smem_optin) {
            complain(
                format("cudaFuncSetAttribute: %d bytes of dynamic shared memory for %s exceed the "
                       "device limit (%u, of which %u static)",
                       v, img->demangled.c_str(), config().smem_optin, img->static_shared));
            return set_error(cudaErrorInvalidValue);
        }
        k->max_dyn_smem = v;
    }
    return cudaSuccess;
}
cudaError_t cudaFuncSetCacheConfig(const void*, cudaFuncCache) { return cudaSuccess; }
cudaError_t cudaFuncGetName(const char** n, const void* f) {
    KernelReg* k = find_kernel(f);
    if (!k) return set_error(cudaErrorInvalidDeviceFunction);
    *n = k->name.c_str();
    return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* a, const void* f) {
    KernelReg* k = find_kernel(f);
    if (!k) return set_error(cudaErrorInvalidDeviceFunction);
    KernelImage* img;
    cudaError_t e = kernel_image(k, img);
    if (e != cudaSuccess) return set_error(e);
    memset(a, 0, sizeof(*a));
    a->sharedSizeBytes = img->static_shared;
    a->localSizeBytes = img->local_per_thread;
    const u32* mx = img->fn->maxntid;
    a->maxThreadsPerBlock = mx[0] ? int(mx[0] * mx[1] * mx[2]) : 1024;
    a->numRegs = 32;
    a->ptxVersion = k->mod->arch;
    a->binaryVersion = config().cc;
    a->maxDynamicSharedSizeBytes =
        k->max_dyn_smem >= 0 ? k->max_dyn_smem : int(config().smem_block - img->static_shared);
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* n, const void* f,
                                                                   int threads, size_t smem,
                                                                   unsigned) {
    KernelReg* k = find_kernel(f);
    if (!k) return set_error(cudaErrorInvalidDeviceFunction);
    KernelImage* img;
    cudaError_t e = kernel_image(k, img);
    if (e != cudaSuccess) return set_error(e);
    if (threads <= 0 || threads > 1024) {
        *n = 0;
        return cudaSuccess;
    }
    size_t sm = smem + img->static_shared + 1024;
    int by_threads = 64 / ((threads + 31) / 32), by_smem = int(config().smem_sm / sm);
    *n = std::min({by_threads, by_smem, 32});
    if (smem + img->static_shared > config().smem_optin) *n = 0;
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* n, const void* f, int threads,
                                                          size_t smem) {
    return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(n, f, threads, smem, 0);
}
cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t* out, const void* f, int blocks, int) {
    KernelReg* k = find_kernel(f);
    if (!k) return set_error(cudaErrorInvalidDeviceFunction);
    KernelImage* img;
    cudaError_t e = kernel_image(k, img);
    if (e != cudaSuccess) return set_error(e);
    *out = std::min<size_t>(config().smem_sm / size_t(blocks) - 1024 - img->static_shared,
                            config().smem_optin - img->static_shared);
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveClusters(int* n, const void*, const cudaLaunchConfig_t*) {
    *n = config().sms / 16;
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxPotentialClusterSize(int* n, const void*, const cudaLaunchConfig_t*) {
    *n = 8;
    return cudaSuccess;
}

// ---- memory -----------------------------------------------------------------------------------

static cudaError_t do_malloc(void** p, size_t n, MemKind kind, const char* api) {
    RET_STICKY();
    if (!p) return set_error(cudaErrorInvalidValue);
    if (capture_forbids(api)) return set_error(cudaErrorStreamCaptureUnsupported);
    if (!n) {
        *p = nullptr;
        return cudaSuccess;
    }
    *p = DeviceMemory::get().alloc(n, kind);
    return *p ? cudaSuccess : set_error(cudaErrorMemoryAllocation);
}
static cudaError_t do_free(void* p, const char* api) {
    if (!p) return cudaSuccess;
    if (strcmp(api, "cudaFreeAsync")) drain_all();  // cudaFree synchronises the device
    if (!DeviceMemory::get().release(p)) {
        complain(format("%s: %p was not allocated or was already freed (%s)", api, p,
                        DeviceMemory::get().describe(u64(p)).c_str()));
        return set_error(cudaErrorInvalidValue);
    }
    return sticky() ? set_error(sticky()) : cudaSuccess;
}
cudaError_t cudaMalloc(void** p, size_t n) {
    return do_malloc(p, n, MemKind::Device, "cudaMalloc");
}
cudaError_t cudaMallocManaged(void** p, size_t n, unsigned) {
    return do_malloc(p, n, MemKind::Managed, "cudaMallocManaged");
}
cudaError_t cudaMallocHost(void** p, size_t n) {
    return do_malloc(p, n, MemKind::Host, "cudaMallocHost");
}
cudaError_t cudaHostAlloc(void** p, size_t n, unsigned) {
    return do_malloc(p, n, MemKind::Host, "cudaHostAlloc");
}
cudaError_t cudaMallocPitch(void** p, size_t* pitch, size_t w, size_t h) {
    *pitch = align_up(w, 512);
    return do_malloc(p, *pitch * h, MemKind::Device, "cudaMallocPitch");
}
cudaError_t cudaFree(void* p) {
    if (p && capture_forbids("cudaFree")) return set_error(cudaErrorStreamCaptureUnsupported);
    return do_free(p, "cudaFree");
}
cudaError_t cudaFreeHost(void* p) { return do_free(p, "cudaFreeHost"); }
cudaError_t cudaMallocAsync(void** p, size_t n, cudaStream_t) {
    RET_STICKY();
    *p = n ? DeviceMemory::get().alloc(n, MemKind::Device) : nullptr;
    return *p || !n ? cudaSuccess : set_error(cudaErrorMemoryAllocation);
}
cudaError_t cudaMallocFromPoolAsync(void** p, size_t n, cudaMemPool_t, cudaStream_t s) {
    return cudaMallocAsync(p, n, s);
}
cudaError_t cudaFreeAsync(void* p, cudaStream_t s) {
    if (stream_of(s)->capture)
        return cudaSuccess;  // memory captured into a graph stays alive with it
    return enqueue(s, GraphNode::Empty, [p] { return do_free(p, "cudaFreeAsync"); });
}
cudaError_t cudaHostRegister(void* p, size_t n, unsigned) {
    DeviceMemory::get().register_range(p, n, MemKind::Registered);
    return cudaSuccess;
}
cudaError_t cudaHostUnregister(void* p) {
    return DeviceMemory::get().unregister_range(p) ? cudaSuccess
                                                   : set_error(cudaErrorHostMemoryNotRegistered);
}
cudaError_t cudaHostGetDevicePointer(void** d, void* h, unsigned) {
    *d = h;
    return cudaSuccess;
}
cudaError_t cudaHostGetFlags(unsigned* f, void*) {
    *f = 0;
    return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* p) {
    memset(a, 0, sizeof(*a));
    Allocation al;
    if (!DeviceMemory::get().find(u64(p), al)) {
        a->type = cudaMemoryTypeUnregistered;
        a->device = -2;
        a->hostPointer = const_cast<void*>(p);
        return cudaSuccess;
    }
    a->device = 0;
    a->devicePointer = const_cast<void*>(p);
    switch (al.kind) {
        case MemKind::Host:
        case MemKind::Registered:
            a->type = cudaMemoryTypeHost;
            a->hostPointer = const_cast<void*>(p);
            break;
        case MemKind::Managed:
            a->type = cudaMemoryTypeManaged;
            a->hostPointer = const_cast<void*>(p);
            break;
        default: a->type = cudaMemoryTypeDevice;
    }
    return cudaSuccess;
}
cudaError_t cudaMemPrefetchAsync(const void* p, size_t n, cudaMemLocation, unsigned, cudaStream_t) {
    return check_range(p, n, "cudaMemPrefetchAsync", true) ? cudaSuccess
                                                           : set_error(cudaErrorInvalidValue);
}
cudaError_t cudaMemAdvise(const void* p, size_t n, cudaMemoryAdvise, cudaMemLocation) {
    return check_range(p, n, "cudaMemAdvise", true) ? cudaSuccess
                                                    : set_error(cudaErrorInvalidValue);
}

// pools: one default pool
static int g_pool;
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* p, int) {
    *p = reinterpret_cast<cudaMemPool_t>(&g_pool);
    return cudaSuccess;
}
cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* p, int) {
    *p = reinterpret_cast<cudaMemPool_t>(&g_pool);
    return cudaSuccess;
}
cudaError_t cudaDeviceSetMemPool(int, cudaMemPool_t) { return cudaSuccess; }
cudaError_t cudaMemPoolCreate(cudaMemPool_t* p, const cudaMemPoolProps*) {
    *p = reinterpret_cast<cudaMemPool_t>(new int);
    return cudaSuccess;
}
cudaError_t cudaMemPoolDestroy(cudaMemPool_t) { return cudaSuccess; }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr, void* v) {
    *static_cast<u64*>(v) = DeviceMemory::get().used();
    return cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }

cudaError_t cudaMemcpy(void* d, const void* s, size_t n, cudaMemcpyKind k) {
    RET_STICKY();
    if (capture_forbids("cudaMemcpy")) return set_error(cudaErrorStreamCaptureUnsupported);
    drain_all(true);
    return sticky() ? set_error(sticky()) : set_error(copy(d, s, n, k, "cudaMemcpy"));
}
// Copies touching pageable host memory complete before the call returns.
static bool pageable(const void* p) {
    Allocation a;
    return !DeviceMemory::get().find(u64(p), a);
}
cudaError_t cudaMemcpyAsync(void* d, const void* s, size_t n, cudaMemcpyKind k, cudaStream_t st) {
    if (lazy() && !stream_of(st)->capture && (pageable(d) || pageable(s))) {
        cudaError_t e =
            enqueue(st, GraphNode::Memcpy, [=] { return copy(d, s, n, k, "cudaMemcpyAsync"); });
        drain(stream_of(st));
        return e;
    }
    return enqueue(st, GraphNode::Memcpy, [=] { return copy(d, s, n, k, "cudaMemcpyAsync"); });
}
cudaError_t cudaMemcpyPeer(void* d, int, const void* s, int, size_t n) {
    return cudaMemcpy(d, s, n, cudaMemcpyDeviceToDevice);
}
cudaError_t cudaMemcpy2D(void* d, size_t dp, const void* s, size_t sp, size_t w, size_t h,
                         cudaMemcpyKind k) {
    RET_STICKY();
    if (capture_forbids("cudaMemcpy2D")) return set_error(cudaErrorStreamCaptureUnsupported);
    drain_all(true);
    return set_error(copy2d(d, dp, s, sp, w, h, k));
}
cudaError_t cudaMemcpy2DAsync(void* d, size_t dp, const void* s, size_t sp, size_t w, size_t h,
                              cudaMemcpyKind k, cudaStream_t st) {
    return enqueue(st, GraphNode::Memcpy, [=] { return copy2d(d, dp, s, sp, w, h, k); });
}
static cudaError_t set(void* p, int v, size_t n, const char* api) {
    if (!check_range(p, n, api, true)) return cudaErrorInvalidValue;
    if (n) memset(p, v, n);
    return cudaSuccess;
}
static cudaError_t set2d(void* p, size_t pitch, int v, size_t w, size_t h) {
    for (size_t y = 0; y < h; y++) {
        cudaError_t e = set(static_cast<char*>(p) + y * pitch, v, w, "cudaMemset2D");
        if (e != cudaSuccess) return e;
    }
    return cudaSuccess;
}
cudaError_t cudaMemset(void* p, int v, size_t n) {
    return enqueue(nullptr, GraphNode::Memset, [=] { return set(p, v, n, "cudaMemset"); });
}
cudaError_t cudaMemsetAsync(void* p, int v, size_t n, cudaStream_t s) {
    return enqueue(s, GraphNode::Memset, [=] { return set(p, v, n, "cudaMemsetAsync"); });
}
cudaError_t cudaMemset2D(void* p, size_t pitch, int v, size_t w, size_t h) {
    return enqueue(nullptr, GraphNode::Memset, [=] { return set2d(p, pitch, v, w, h); });
}
cudaError_t cudaMemset2DAsync(void* p, size_t pitch, int v, size_t w, size_t h, cudaStream_t s) {
    return enqueue(s, GraphNode::Memset, [=] { return set2d(p, pitch, v, w, h); });
}

cudaError_t cudaGetSymbolAddress(void** p, const void* sym) {
    *p = symbol_address(sym, nullptr);
    return *p ? cudaSuccess : set_error(cudaErrorInvalidSymbol);
}
cudaError_t cudaGetSymbolSize(size_t* n, const void* sym) {
    return symbol_address(sym, n) ? cudaSuccess : set_error(cudaErrorInvalidSymbol);
}
cudaError_t cudaMemcpyToSymbolAsync(const void* sym, const void* s, size_t n, size_t off,
                                    cudaMemcpyKind k, cudaStream_t st) {
    size_t size;
    char* a = static_cast<char*>(symbol_address(sym, &size));
    if (!a) return set_error(cudaErrorInvalidSymbol);
    if (off + n > size) return set_error(cudaErrorInvalidValue);
    return cudaMemcpyAsync(a + off, s, n, k, st);
}
cudaError_t cudaMemcpyFromSymbolAsync(void* d, const void* sym, size_t n, size_t off,
                                      cudaMemcpyKind k, cudaStream_t st) {
    size_t size;
    char* a = static_cast<char*>(symbol_address(sym, &size));
    if (!a) return set_error(cudaErrorInvalidSymbol);
    if (off + n > size) return set_error(cudaErrorInvalidValue);
    return cudaMemcpyAsync(d, a + off, n, k, st);
}
cudaError_t cudaMemcpyToSymbol(const void* sym, const void* s, size_t n, size_t off,
                               cudaMemcpyKind k) {
    cudaError_t e = cudaMemcpyToSymbolAsync(sym, s, n, off, k, nullptr);
    drain(stream_of(nullptr));
    return e;
}
cudaError_t cudaMemcpyFromSymbol(void* d, const void* sym, size_t n, size_t off, cudaMemcpyKind k) {
    cudaError_t e = cudaMemcpyFromSymbolAsync(d, sym, n, off, k, nullptr);
    drain(stream_of(nullptr));
    return e;
}

// ---- streams ----------------------------------------------------------------------------------

static std::atomic<unsigned long long> g_stream_id{3};
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* s, unsigned flags, int prio) {
    *s = new CUstream_st;
    (*s)->flags = flags;
    (*s)->priority = prio;
    (*s)->id = g_stream_id++;
    std::lock_guard lk(g_stream_mu);
    g_streams.insert(*s);
    return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned flags) {
    return cudaStreamCreateWithPriority(s, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t* s) { return cudaStreamCreateWithPriority(s, 0, 0); }
cudaError_t cudaStreamDestroy(cudaStream_t s) {
    if (!s || stream_of(s) != s) return set_error(cudaErrorInvalidResourceHandle);
    drain(s);
    std::lock_guard lk(g_stream_mu);
    if (!g_streams.erase(s)) return set_error(cudaErrorInvalidResourceHandle);
    delete s;
    return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
    CUstream_st* st = stream_of(s);
    if (st->capture) return set_error(cudaErrorStreamCaptureUnsupported);
    order_legacy(st);
    drain(st);
    return sticky() ? set_error(sticky()) : cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t s) {
    CUstream_st* st = stream_of(s);
    if (st->capture) return set_error(cudaErrorStreamCaptureUnsupported);
    if (lazy()) {
        std::lock_guard lk(g_lazy_mu);
        step(st);
        if (!st->queue.empty()) return cudaErrorNotReady;
    }
    return sticky() ? set_error(sticky()) : cudaSuccess;
}
cudaError_t cudaStreamGetPriority(cudaStream_t s, int* p) {
    *p = stream_of(s)->priority;
    return cudaSuccess;
}
cudaError_t cudaStreamGetFlags(cudaStream_t s, unsigned* f) {
    *f = stream_of(s)->flags;
    return cudaSuccess;
}
cudaError_t cudaStreamGetId(cudaStream_t s, unsigned long long* i) {
    *i = stream_of(s)->id;
    return cudaSuccess;
}
cudaError_t cudaStreamGetDevice(cudaStream_t, int* d) {
    *d = 0;
    return cudaSuccess;
}
cudaError_t cudaStreamSetAttribute(cudaStream_t, cudaStreamAttrID, const cudaStreamAttrValue*) {
    return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
    if (!e) return set_error(cudaErrorInvalidResourceHandle);
    if (lazy() && !e->capture && !stream_of(s)->capture) {
        std::lock_guard lz(g_lazy_mu);
        order_legacy(stream_of(s));
        if (e->done < e->issued) stream_of(s)->queue.push_back({nullptr, e, e->issued});
        return cudaSuccess;
    }
    std::lock_guard lk(g_stream_mu);
    if (e->capture && g_active_captures.count(e->capture)) {  // fork: the stream joins the capture
        CUstream_st* st = stream_of(s);
        if (!st->capture) st->capture = e->capture, st->origin = false;
    }
    return cudaSuccess;
}
cudaError_t cudaLaunchHostFunc(cudaStream_t s, cudaHostFn_t fn, void* data) {
    return enqueue(s, GraphNode::Host, [=] {
        fn(data);
        return cudaSuccess;
    });
}
cudaError_t cudaStreamAddCallback(cudaStream_t s, cudaStreamCallback_t fn, void* data, unsigned) {
    return enqueue(s, GraphNode::Host, [=] {
        fn(s, cudaSuccess, data);
        return cudaSuccess;
    });
}

// ---- events -----------------------------------------------------------------------------------

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned flags) {
    *e = new CUevent_st;
    (*e)->flags = flags;
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* e) { return cudaEventCreateWithFlags(e, 0); }
static void drain_event(CUevent_st* e) {
    if (!lazy()) return;
    std::lock_guard lk(g_lazy_mu);
    while (e->done < e->issued && !e->stream->queue.empty()) step(e->stream);
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
    if (!e) return set_error(cudaErrorInvalidResourceHandle);
    if (lazy()) {  // queued waits may still refer to it
        std::lock_guard lk(g_lazy_mu);
        for (CUstream_st* s : all_streams())
            for (auto& op : s->queue)
                if (op.wait == e) {
                    drain(s);
                    break;
                }
        drain_event(e);
    }
    delete e;
    return cudaSuccess;
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned) {
    RET_STICKY();
    if (!e) return set_error(cudaErrorInvalidResourceHandle);
    CUstream_st* st = stream_of(s);
    e->capture = st->capture;
    e->recorded = true;
    if (lazy() && !st->capture) {
        std::lock_guard lk(g_lazy_mu);
        unsigned long long seq = ++e->issued;
        e->stream = st;
        return enqueue(s, GraphNode::Empty, [e, seq] {
            e->done = seq;
            e->time = now_ms();
            return cudaSuccess;
        });
    }
    e->time = now_ms();
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
    return cudaEventRecordWithFlags(e, s, 0);
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
    {
        std::lock_guard lk(g_stream_mu);
        if (e->capture && g_active_captures.count(e->capture))
            return set_error(cudaErrorStreamCaptureUnsupported);
    }
    drain_event(e);
    return sticky() ? set_error(sticky()) : cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t e) {
    if (lazy()) {
        std::lock_guard lk(g_lazy_mu);
        if (e->done < e->issued) step(e->stream);
        if (e->done < e->issued) return cudaErrorNotReady;
    }
    return cudaEventSynchronize(e);
}
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t a, cudaEvent_t b) {
    if (!a || !b || !a->recorded || !b->recorded) return set_error(cudaErrorInvalidResourceHandle);
    if ((a->flags | b->flags) & cudaEventDisableTiming)
        return set_error(cudaErrorInvalidResourceHandle);
    if (a->done < a->issued || b->done < b->issued) return set_error(cudaErrorNotReady);
    *ms = std::max(1e-3f, float(b->time - a->time));
    return sticky() ? set_error(sticky()) : cudaSuccess;
}

// ---- capture and graphs -----------------------------------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode) {
    CUstream_st* st = stream_of(s);
    if (s == nullptr || s == cudaStreamLegacy) return set_error(cudaErrorStreamCaptureUnsupported);
    if (st->capture) return set_error(cudaErrorIllegalState);
    st->capture = new CUgraph_st;
    st->origin = true;
    {
        std::lock_guard lk(g_stream_mu);
        g_active_captures.insert(st->capture);
    }
    st->mode = mode;
    if (mode != cudaStreamCaptureModeRelaxed) g_captures++;
    if (!(st->flags & cudaStreamNonBlocking)) g_blocking_captures++;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* g) {
    CUstream_st* st = stream_of(s);
    if (!st->capture || !st->origin) return set_error(cudaErrorStreamCaptureUnmatched);
    *g = st->capture;
    st->capture = nullptr;
    {
        std::lock_guard lk(g_stream_mu);
        g_active_captures.erase(*g);
        for (CUstream_st* x : g_streams)
            if (x->capture == *g) x->capture = nullptr;
    }
    if (st->mode != cudaStreamCaptureModeRelaxed) g_captures--;
    if (!(st->flags & cudaStreamNonBlocking)) g_blocking_captures--;
    return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* c) {
    *c = stream_of(s)->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t s, cudaStreamCaptureStatus* c,
                                     unsigned long long* id, cudaGraph_t* g,
                                     const cudaGraphNode_t** d, const cudaGraphEdgeData** e,
                                     size_t* n) {
    CUstream_st* st = stream_of(s);
    *c = st->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    if (id) *id = u64(st->capture);
    if (g) *g = st->capture;
    if (d) *d = nullptr;
    if (e) *e = nullptr;
    if (n) *n = 0;
    return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* m) {
    (void)m;
    return cudaSuccess;
}
cudaError_t cudaGraphCreate(cudaGraph_t* g, unsigned) {
    *g = new CUgraph_st;
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) {
    delete g;
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* x, cudaGraph_t g, unsigned long long) {
    *x = new CUgraphExec_st;
    for (auto& n : g->nodes) (*x)->nodes.push_back(*n);
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* x, cudaGraph_t g, unsigned long long f) {
    return cudaGraphInstantiateWithFlags(x, g, f);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t x) {
    delete x;
    return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaGraphLaunch(cudaGraphExec_t x, cudaStream_t s) {
    auto nodes = x->nodes;
    return enqueue(s, GraphNode::Empty, [nodes] {
        for (auto& n : nodes) {
            cudaError_t e = n.run ? n.run() : cudaSuccess;
            if (e != cudaSuccess) return e;
        }
        return cudaSuccess;
    });
}
cudaError_t cudaGraphExecUpdate(cudaGraphExec_t x, cudaGraph_t g,
                                cudaGraphExecUpdateResultInfo* r) {
    if (r) memset(r, 0, sizeof(*r));
    bool same = x->nodes.size() == g->nodes.size();
    for (size_t i = 0; same && i < g->nodes.size(); i++)
        same = x->nodes[i].type == g->nodes[i]->type;
    if (!same) {
        if (r) r->result = cudaGraphExecUpdateErrorTopologyChanged;
        return set_error(cudaErrorGraphExecUpdateFailure);
    }
    for (size_t i = 0; i < g->nodes.size(); i++) x->nodes[i] = *g->nodes[i];
    if (r) r->result = cudaGraphExecUpdateSuccess;
    return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t g, cudaGraphNode_t* nodes, size_t* n) {
    if (nodes)
        for (size_t i = 0; i < std::min(*n, g->nodes.size()); i++)
            nodes[i] = reinterpret_cast<cudaGraphNode_t>(g->nodes[i].get());
    *n = g->nodes.size();
    return cudaSuccess;
}
cudaError_t cudaGraphNodeGetType(cudaGraphNode_t n, cudaGraphNodeType* t) {
    switch (reinterpret_cast<GraphNode*>(n)->type) {
        case GraphNode::Kernel: *t = cudaGraphNodeTypeKernel; break;
        case GraphNode::Memcpy: *t = cudaGraphNodeTypeMemcpy; break;
        case GraphNode::Memset: *t = cudaGraphNodeTypeMemset; break;
        case GraphNode::Host: *t = cudaGraphNodeTypeHost; break;
        default: *t = cudaGraphNodeTypeEmpty;
    }
    return cudaSuccess;
}

// ---- profiler and misc ------------------------------------------------------------------------

cudaError_t cudaProfilerStart() { return cudaSuccess; }
cudaError_t cudaProfilerStop() { return cudaSuccess; }
cudaError_t cudaCtxResetPersistingL2Cache() { return cudaSuccess; }

}  // extern "C"
