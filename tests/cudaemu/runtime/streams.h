// Streams, events and graphs. Work runs at once, in the order of the calls; or, with CUDAEMU_LAZY,
// waits in its stream until somebody synchronises with it.
#pragma once

#include <cuda_runtime_api.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace fovea::cudaemu {

using Work = std::function<cudaError_t()>;

struct GraphNode {
    cudaGraphNodeType type;
    Work run;
};

/// An entry of a lazy stream: work, or a wait for record number `sequence` of an event.
struct StreamEntry {
    Work run;
    CUevent_st* wait = nullptr;
    unsigned long long sequence = 0;
};

}  // namespace fovea::cudaemu

// The types that CUDA's headers only name.
struct CUgraph_st {
    std::vector<std::unique_ptr<fovea::cudaemu::GraphNode>> nodes;
};

struct CUgraphExec_st {
    std::vector<fovea::cudaemu::GraphNode> nodes;
};

struct CUevent_st {
    unsigned flags = 0;
    int device = 0;
    bool recorded = false;
    double time = 0;  // ms
    CUgraph_st* capture = nullptr;
    // Of a lazy stream: records issued and completed, and where the last one was issued.
    unsigned long long issued = 0, done = 0;
    CUstream_st* stream = nullptr;
};

struct CUstream_st {
    std::deque<fovea::cudaemu::StreamEntry> queue;
    unsigned flags = 0;
    int priority = 0;
    int device = 0;
    unsigned long long id = 0;
    CUgraph_st* capture = nullptr;
    bool origin = false;  // the capture began here
    cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;

    bool blocking() const { return !(flags & cudaStreamNonBlocking); }
};

namespace fovea::cudaemu {

/// What cudaSetDevice chose for this thread.
int current_device();

/// Complains, and says yes, if `what` is put into a stream of another device than the current one.
bool of_other_device(cudaStream_t s, const char* what);

/// The stream behind a handle: also the legacy default stream and the one per thread.
CUstream_st* stream_of(cudaStream_t s);

/// Runs the work now, queues it in a lazy stream, or records it if the stream is being captured.
cudaError_t enqueue(cudaStream_t s, cudaGraphNodeType type, Work work);

/// Complains, and says yes, while a capture forbids synchronising calls such as `api`.
bool capture_forbids(const char* api);

double now_ms();

// ---- lazy streams: all of these do nothing if work runs at once ---------------------------------

bool lazy();
std::recursive_mutex& lazy_mutex();

/// Runs the next entry of the stream, or of the one that it waits for.
void step(CUstream_st* s);
void drain(CUstream_st* s);
/// All streams, in an order of the seed's choice.
void drain_all(bool blocking_only = false);
/// Work of the legacy stream comes after that of all blocking streams, and theirs after its.
void order_with_legacy(CUstream_st* s);

/// User streams and the two default ones.
std::vector<CUstream_st*> all_streams();

// ---- captures -----------------------------------------------------------------------------------

struct Captures {
    std::mutex mutex;
    std::set<CUstream_st*> streams;  // made by the user
    std::set<CUgraph_st*> active;    // graphs being captured
    std::atomic<int> strict{0};      // captures that forbid synchronising calls
    std::atomic<int> blocking{0};    // captures in streams that synchronise with the legacy stream
};
Captures& captures();

}  // namespace fovea::cudaemu
