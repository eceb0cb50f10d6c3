#include "tests/cudaemu/runtime/streams.h"

#include <time.h>

#include <atomic>

#include "tests/cudaemu/machine/config.h"
#include "tests/cudaemu/runtime/errors.h"

namespace fovea::cudaemu {

double now_ms() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return double(t.tv_sec) * 1e3 + double(t.tv_nsec) * 1e-6;
}

CUstream_st* stream_of(cudaStream_t s) {
    static CUstream_st legacy, per_thread;
    if (s == nullptr || s == cudaStreamLegacy) return &legacy;
    if (s == cudaStreamPerThread) return &per_thread;
    return s;
}

bool of_other_device(cudaStream_t s, const char* what) {
    const CUstream_st* stream = stream_of(s);
    if (stream->id == 0 || stream->device == current_device()) return false;  // 0: a default one
    complain(format("%s in a stream of device %d while device %d is current", what, stream->device,
                    current_device()));
    return true;
}

Captures& captures() {
    static Captures* c = new Captures;
    return *c;
}

std::vector<CUstream_st*> all_streams() {
    std::lock_guard lock(captures().mutex);
    std::vector<CUstream_st*> v(captures().streams.begin(), captures().streams.end());
    v.push_back(stream_of(nullptr));
    v.push_back(stream_of(cudaStreamPerThread));
    return v;
}

bool capture_forbids(const char* api) {
    if (!captures().strict) return false;
    complain(format("%s called during stream capture (not permitted)", api));
    return true;
}

// ---- lazy streams -------------------------------------------------------------------------------

bool lazy() {
    static const bool on = env_int("CUDAEMU_LAZY", 0) != 0;
    return on;
}

std::recursive_mutex& lazy_mutex() {
    static std::recursive_mutex m;
    return m;
}

void step(CUstream_st* s) {
    if (s->queue.empty()) return;
    for (size_t hops = 0; s->queue.front().wait; hops++) {
        const StreamEntry& entry = s->queue.front();
        if (entry.wait->done >= entry.sequence) break;
        CUstream_st* other = entry.wait->stream;
        if (hops > 1000 || other == s || other->queue.empty())
            die("event wait that can never complete");
        s = other;
    }
    const Work work = std::move(s->queue.front().run);
    s->queue.pop_front();
    if (work && !sticky()) set_error(work());
}

void drain(CUstream_st* s) {
    if (!lazy()) return;
    std::lock_guard lock(lazy_mutex());
    while (!s->queue.empty()) step(s);
}

void drain_all(bool blocking_only) {
    if (!lazy()) return;
    std::lock_guard lock(lazy_mutex());
    static Rng rng(config().seed + 99);
    for (;;) {
        std::vector<CUstream_st*> v;
        for (CUstream_st* s : all_streams())
            if (!s->queue.empty() && (s->blocking() || !blocking_only)) v.push_back(s);
        if (v.empty()) return;
        step(v[config().seed ? rng.below(u32(v.size())) : v.size() - 1]);
    }
}

void order_with_legacy(CUstream_st* s) {
    CUstream_st* legacy = stream_of(nullptr);
    if (s != legacy) {
        if (s->blocking()) drain(legacy);
        return;
    }
    for (CUstream_st* other : all_streams())
        if (other != legacy && other->blocking() && !other->queue.empty()) {
            drain(legacy);
            drain(other);
        }
}

cudaError_t enqueue(cudaStream_t s, cudaGraphNodeType type, Work work) {
    RETURN_IF_STICKY();
    CUstream_st* stream = stream_of(s);
    if (stream->capture) {
        stream->capture->nodes.push_back(
            std::make_unique<GraphNode>(GraphNode{type, std::move(work)}));
        return cudaSuccess;
    }
    if (captures().blocking && stream == stream_of(nullptr)) {
        complain("operation on the legacy default stream while a stream capture is in progress");
        return set_error(cudaErrorStreamCaptureImplicit);
    }
    if (lazy()) {
        std::lock_guard lock(lazy_mutex());
        order_with_legacy(stream);
        stream->queue.push_back({std::move(work), nullptr, 0});
        return cudaSuccess;
    }
    return set_error(work());
}

}  // namespace fovea::cudaemu

using namespace fovea::cudaemu;

extern "C" {

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* s, unsigned flags, int priority) {
    static std::atomic<unsigned long long> next_id{3};  // 1 and 2: the default streams
    *s = new CUstream_st;
    (*s)->flags = flags;
    (*s)->priority = priority;
    (*s)->device = current_device();
    (*s)->id = next_id++;
    std::lock_guard lock(captures().mutex);
    captures().streams.insert(*s);
    return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned flags) {
    return cudaStreamCreateWithPriority(s, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t* s) { return cudaStreamCreateWithPriority(s, 0, 0); }

cudaError_t cudaStreamDestroy(cudaStream_t s) {
    if (!s || stream_of(s) != s) return set_error(cudaErrorInvalidResourceHandle);
    drain(s);
    std::lock_guard lock(captures().mutex);
    if (!captures().streams.erase(s)) return set_error(cudaErrorInvalidResourceHandle);
    delete s;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s) {
    CUstream_st* stream = stream_of(s);
    if (stream->capture) return set_error(cudaErrorStreamCaptureUnsupported);
    order_with_legacy(stream);
    drain(stream);
    return status();
}

// One step at a time, so that a program that polls gets to see both answers.
cudaError_t cudaStreamQuery(cudaStream_t s) {
    CUstream_st* stream = stream_of(s);
    if (stream->capture) return set_error(cudaErrorStreamCaptureUnsupported);
    if (lazy()) {
        std::lock_guard lock(lazy_mutex());
        step(stream);
        if (!stream->queue.empty()) return cudaErrorNotReady;
    }
    return status();
}

cudaError_t cudaStreamGetPriority(cudaStream_t s, int* p) {
    *p = stream_of(s)->priority;
    return cudaSuccess;
}
cudaError_t cudaStreamGetFlags(cudaStream_t s, unsigned* f) {
    *f = stream_of(s)->flags;
    return cudaSuccess;
}
cudaError_t cudaStreamGetId(cudaStream_t s, unsigned long long* id) {
    *id = stream_of(s)->id;
    return cudaSuccess;
}
cudaError_t cudaStreamGetDevice(cudaStream_t s, int* device) {
    *device = s == nullptr ? current_device() : stream_of(s)->device;
    return cudaSuccess;
}
cudaError_t cudaStreamSetAttribute(cudaStream_t, cudaStreamAttrID, const cudaStreamAttrValue*) {
    return cudaSuccess;
}

/// For the libraries on top: a function that runs in stream order, as often as a graph that
/// captures it.
cudaError_t cudaemu_enqueue(cudaStream_t s, const std::function<void()>* f) {
    if (of_other_device(s, "a matrix product")) return set_error(cudaErrorInvalidResourceHandle);
    return enqueue(s, cudaGraphNodeTypeHost, [f = *f] {
        f();
        return sticky();
    });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t s, cudaHostFn_t fn, void* data) {
    return enqueue(s, cudaGraphNodeTypeHost, [=] {
        fn(data);
        return cudaSuccess;
    });
}
cudaError_t cudaStreamAddCallback(cudaStream_t s, cudaStreamCallback_t fn, void* data, unsigned) {
    return enqueue(s, cudaGraphNodeTypeHost, [=] {
        fn(s, cudaSuccess, data);
        return cudaSuccess;
    });
}

}  // extern "C"
