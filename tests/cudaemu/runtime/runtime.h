// Internals shared by the runtime API files.
#pragma once
#include <cuda_runtime_api.h>

#include <deque>
#include <functional>

#include "tests/cudaemu/machine/exec.h"

namespace emu {

struct ModuleReg {
    std::vector<int> archs;
    const void* wrapper = nullptr;
    std::unique_ptr<ModuleImage> image;
    bool tried = false;
    int arch = 0;
};

struct KernelReg {
    ModuleReg* mod = nullptr;
    std::string name;
    const void* host = nullptr;
    int max_dyn_smem = -1;  // cudaFuncAttributeMaxDynamicSharedMemorySize
    KernelImage* image = nullptr;
};

struct GraphNode {
    enum Type { Kernel, Memcpy, Memset, Host, Empty } type;
    std::function<cudaError_t()> run;
};

}  // namespace emu

struct CUgraph_st {
    std::vector<std::unique_ptr<emu::GraphNode>> nodes;
};
struct CUgraphExec_st {
    std::vector<emu::GraphNode> nodes;
};
struct CUstream_st;
struct CUevent_st {
    unsigned flags = 0;
    bool recorded = false;
    double time = 0;
    CUgraph_st* capture = nullptr;
    // lazy mode: numbers of records issued and completed, and where the last one was issued
    unsigned long long issued = 0, done = 0;
    CUstream_st* stream = nullptr;
};
namespace emu {
// Lazy mode (CUDAEMU_LAZY=1): work waits in its stream until something synchronises with it.
struct StreamOp {
    std::function<cudaError_t()> run;
    CUevent_st* wait = nullptr;  // wait until this event has completed record number `seq`
    unsigned long long seq = 0;
};
}  // namespace emu
struct CUstream_st {
    std::deque<emu::StreamOp> queue;
    unsigned flags = 0;
    int priority = 0;
    unsigned long long id = 0;
    CUgraph_st* capture = nullptr;
    bool origin = false;
    cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
};

namespace emu {
cudaError_t set_error(cudaError_t e);  // records and returns
cudaError_t sticky();
CUstream_st* stream_of(cudaStream_t s);
// Runs now, or records into the graph the stream is capturing.
cudaError_t enqueue(cudaStream_t s, GraphNode::Type t, std::function<cudaError_t()> fn);
bool capture_forbids(const char* api);
double now_ms();
}  // namespace emu
