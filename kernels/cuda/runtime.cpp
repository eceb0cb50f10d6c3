// kernels/include/gpu.h on the CUDA runtime.
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <nvtx3/nvToolsExt.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/cuda/check.h"
#include "kernels/cuda/probe.h"
#include "kernels/cuda/workspace.h"
#include "kernels/include/gpu.h"

#ifndef FOVEA_CUDA_ARCHITECTURES
#error "FOVEA_CUDA_ARCHITECTURES is what the kernels are compiled for: \"80-real;90-virtual\""
#endif

namespace fovea {
namespace kernels::cuda {

void fail(const char* expression, const char* file, int line, const std::string& why) {
    std::string place(file);
    const std::size_t folder = place.rfind("kernels/");
    if (folder != std::string::npos) place.erase(0, folder);
    throw gpu::Failure(why + " in " + expression + " at " + place + ":" + std::to_string(line));
}

namespace {

/// One block of device memory for each stream, which grows; kept until the process ends.
class StreamMemory {
public:
    /// At least `bytes` bytes, which are zeros when they are allocated if `cleared`.
    void* take(const Stream& stream, std::size_t bytes, bool cleared) {
        const std::lock_guard lock(mutex_);
        Block& block = blocks_[stream.handle];
        if (block.bytes < bytes) {
            const auto queue = static_cast<cudaStream_t>(stream.handle);
            FOVEA_CUDA_CHECK(cudaStreamSynchronize(queue));
            FOVEA_CUDA_CHECK(cudaFree(block.data));
            block = {};
            FOVEA_CUDA_CHECK(cudaMalloc(&block.data, bytes));
            if (cleared) FOVEA_CUDA_CHECK(cudaMemsetAsync(block.data, 0, bytes, queue));
            block.bytes = bytes;
        }
        return block.data;
    }

private:
    struct Block {
        void* data = nullptr;
        std::size_t bytes = 0;
    };

    std::mutex mutex_;
    std::map<void*, Block> blocks_;  // by stream
};

}  // namespace

void* workspace(const Stream& stream, std::size_t bytes) {
    static StreamMemory memory;
    return memory.take(stream, bytes, false);
}

unsigned* turns(const Stream& stream, std::size_t count) {
    static StreamMemory memory;
    return static_cast<unsigned*>(memory.take(stream, count * sizeof(unsigned), true));
}

}  // namespace kernels::cuda

namespace gpu {
namespace {

cudaStream_t handle(const Stream& stream) { return static_cast<cudaStream_t>(stream.handle); }
cudaEvent_t event(void* handle) { return static_cast<cudaEvent_t>(handle); }

std::string version(int number) {  // 13000 -> "13.0"
    return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

int attribute(cudaDeviceAttr which, int index) {
    int value = 0;
    if (cudaDeviceGetAttribute(&value, which, index) != cudaSuccess) {
        cudaGetLastError();
        return 0;
    }
    return value;
}

struct Found {
    int count = 0;
    cudaError_t status = cudaSuccess;
};

const Found& found() {
    static const Found result = [] {
        Found f;
        f.status = cudaGetDeviceCount(&f.count);
        if (f.status != cudaSuccess) {
            f.count = 0;
            cudaGetLastError();
        }
        return f;
    }();
    return result;
}

/// Both streams of every device, made at their first use and kept until the process ends.
struct Streams {
    cudaStream_t compute = nullptr, copy = nullptr;
};

const Streams& streams(int index) {
    static std::mutex mutex;
    static auto* const all = new std::map<int, Streams>;
    FOVEA_CUDA_CHECK(cudaSetDevice(index));
    const std::lock_guard lock(mutex);
    const auto known = all->find(index);
    if (known != all->end()) return known->second;
    Streams made;
    FOVEA_CUDA_CHECK(cudaStreamCreateWithFlags(&made.compute, cudaStreamNonBlocking));
    FOVEA_CUDA_CHECK(cudaStreamCreateWithFlags(&made.copy, cudaStreamNonBlocking));
    return all->emplace(index, made).first->second;
}

std::atomic<bool> tf32{false};

}  // namespace

int count() { return found().count; }

std::string obstacle(int index) {
    const Found& f = found();
    if (f.status == cudaErrorInsufficientDriver) {
        int driver = 0;
        cudaDriverGetVersion(&driver);
        return driver == 0 ? "no NVIDIA driver is installed"
                           : "the NVIDIA driver supports CUDA " + version(driver) +
                                 "; this build needs " + version(CUDART_VERSION);
    }
    if (f.status == cudaErrorNoDevice || (f.status == cudaSuccess && f.count == 0))
        return "no NVIDIA GPU is present";
    if (f.status != cudaSuccess)
        return std::string("CUDA does not start: ") + cudaGetErrorString(f.status);
    if (index < 0 || index >= f.count)
        return "there is no cuda:" + std::to_string(index) +
               "; devices: cuda:0 to cuda:" + std::to_string(f.count - 1);
    FOVEA_CUDA_CHECK(cudaSetDevice(index));
    const cudaError_t status = kernels::cuda::probe();
    if (status == cudaSuccess) return {};
    cudaGetLastError();
    if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorUnsupportedPtxVersion ||
        status == cudaErrorInvalidDeviceFunction) {
        return "GPU is sm_" + std::to_string(attribute(cudaDevAttrComputeCapabilityMajor, index)) +
               std::to_string(attribute(cudaDevAttrComputeCapabilityMinor, index)) +
               "; this build has " + architectures();
    }
    return std::string("cuda:") + std::to_string(index) + ": " + cudaGetErrorString(status);
}

Properties properties(int index) {
    cudaDeviceProp prop{};
    FOVEA_CUDA_CHECK(cudaGetDeviceProperties(&prop, index));
    FOVEA_CUDA_CHECK(cudaSetDevice(index));
    Properties p;
    p.name = prop.name;
    p.major = prop.major;
    p.minor = prop.minor;
    p.multiprocessors = prop.multiProcessorCount;
    FOVEA_CUDA_CHECK(cudaMemGetInfo(&p.free_bytes, &p.memory_bytes));
    p.l2_bytes = static_cast<std::size_t>(attribute(cudaDevAttrL2CacheSize, index));
    p.clock_hz = attribute(cudaDevAttrClockRate, index) * 1e3;
    // Two transfers a clock, as all of these memories are double data rate.
    p.memory_bandwidth = 2.0 * attribute(cudaDevAttrMemoryClockRate, index) * 1e3 *
                         attribute(cudaDevAttrGlobalMemoryBusWidth, index) / 8.0;
    return p;
}

std::string architectures() {
    std::string text;  // "80-real;90-virtual" -> "sm_80, compute_90"
    const std::string list = FOVEA_CUDA_ARCHITECTURES;
    for (std::size_t begin = 0; begin < list.size();) {
        const std::size_t end = std::min(list.find(';', begin), list.size());
        const std::string item = list.substr(begin, end - begin);
        const std::string number = item.substr(0, item.find('-'));
        const std::string kind = item.size() > number.size() ? item.substr(number.size() + 1) : "";
        const auto add = [&](const char* prefix) {
            if (!text.empty()) text += ", ";
            text += prefix;
            text += number;
        };
        if (kind != "virtual") add("sm_");
        if (kind != "real") add("compute_");
        begin = end + 1;
    }
    return text;
}

std::string versions() {
    int driver = 0, runtime = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    const auto lt = static_cast<int>(cublasLtGetVersion());
    return "driver " + (driver == 0 ? "none" : version(driver)) + ", runtime " + version(runtime) +
           ", cuBLASLt " + std::to_string(lt / 10000) + "." + std::to_string(lt / 100 % 100) + "." +
           std::to_string(lt % 100);
}

void* allocate(int index, std::size_t bytes) {
    FOVEA_CUDA_CHECK(cudaSetDevice(index));
    void* block = nullptr;
    const cudaError_t status = cudaMalloc(&block, bytes);
    if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError();  // an answer, not a failure: the caller may free something and ask again
        return nullptr;
    }
    FOVEA_CUDA_CHECK(status);
    return block;
}

void release(int index, void* block) noexcept {
    cudaSetDevice(index);
    cudaFree(block);
}

void* allocate_pinned(std::size_t bytes) {
    void* block = nullptr;
    FOVEA_CUDA_CHECK(cudaMallocHost(&block, bytes));
    return block;
}

void release_pinned(void* block) noexcept { cudaFreeHost(block); }

Stream compute_stream(int index) { return {Device::cuda(index), streams(index).compute}; }
Stream copy_stream(int index) { return {Device::cuda(index), streams(index).copy}; }

void copy(const Stream& stream, void* to, const void* from, std::size_t bytes, Copy direction) {
    if (bytes == 0) return;
    static constexpr cudaMemcpyKind kinds[] = {cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost,
                                               cudaMemcpyDeviceToDevice};
    FOVEA_CUDA_CHECK(
        cudaMemcpyAsync(to, from, bytes, kinds[static_cast<int>(direction)], handle(stream)));
}

void set_bytes(const Stream& stream, void* to, int value, std::size_t bytes) {
    if (bytes > 0) FOVEA_CUDA_CHECK(cudaMemsetAsync(to, value, bytes, handle(stream)));
}

void synchronise(const Stream& stream) { FOVEA_CUDA_CHECK(cudaStreamSynchronize(handle(stream))); }

Event::Event(int device_index, bool timed) : device_(device_index) {
    FOVEA_CUDA_CHECK(cudaSetDevice(device_));
    cudaEvent_t made = nullptr;
    FOVEA_CUDA_CHECK(
        cudaEventCreateWithFlags(&made, timed ? cudaEventDefault : cudaEventDisableTiming));
    handle_ = made;
}

Event::~Event() { cudaEventDestroy(event(handle_)); }

void Event::record(const Stream& stream) {
    FOVEA_CUDA_CHECK(cudaEventRecord(event(handle_), handle(stream)));
}

void Event::make_wait(const Stream& stream) const {
    FOVEA_CUDA_CHECK(cudaStreamWaitEvent(handle(stream), event(handle_), 0));
}

void Event::wait() const { FOVEA_CUDA_CHECK(cudaEventSynchronize(event(handle_))); }

double Event::milliseconds_since(const Event& earlier) const {
    float milliseconds = 0.0F;
    FOVEA_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, event(earlier.handle_), event(handle_)));
    return static_cast<double>(milliseconds);
}

void push_range(const char* name) { nvtxRangePushA(name); }
void pop_range() { nvtxRangePop(); }

void allow_tf32(bool on) { tf32 = on; }
bool tf32_allowed() { return tf32; }

}  // namespace gpu
}  // namespace fovea
