// Events. They measure the host's time.
#include <algorithm>

#include "tests/cudaemu/base.h"
#include "tests/cudaemu/runtime/errors.h"
#include "tests/cudaemu/runtime/streams.h"

using namespace fovea::cudaemu;

static bool pending(const CUevent_st* e) { return e->done < e->issued; }

static void drain_event(CUevent_st* e) {
    if (!lazy()) return;
    std::lock_guard lock(lazy_mutex());
    while (pending(e) && !e->stream->queue.empty()) step(e->stream);
}

// Is the event's last record part of a capture that still goes on? Needs captures().mutex.
static bool capturing(const CUevent_st* e) {
    return e->capture && captures().active.count(e->capture);
}

extern "C" {

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned flags) {
    *e = new CUevent_st;
    (*e)->flags = flags;
    (*e)->device = current_device();
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* e) { return cudaEventCreateWithFlags(e, 0); }

cudaError_t cudaEventDestroy(cudaEvent_t e) {
    if (!e) return set_error(cudaErrorInvalidResourceHandle);
    if (lazy()) {  // queued waits may still refer to it
        std::lock_guard lock(lazy_mutex());
        for (CUstream_st* s : all_streams())
            if (std::any_of(s->queue.begin(), s->queue.end(),
                            [&](const StreamEntry& entry) { return entry.wait == e; }))
                drain(s);
        drain_event(e);
    }
    delete e;
    return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned) {
    RETURN_IF_STICKY();
    if (!e) return set_error(cudaErrorInvalidResourceHandle);
    CUstream_st* stream = stream_of(s);
    if (stream->id != 0 && stream->device != e->device) {
        complain(format("an event of device %d is recorded in a stream of device %d", e->device,
                        stream->device));
        return set_error(cudaErrorInvalidResourceHandle);
    }
    e->capture = stream->capture;
    e->recorded = true;
    if (lazy() && !stream->capture) {
        std::lock_guard lock(lazy_mutex());
        const unsigned long long sequence = ++e->issued;
        e->stream = stream;
        return enqueue(s, cudaGraphNodeTypeEmpty, [e, sequence] {
            e->done = sequence;
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

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
    if (!e) return set_error(cudaErrorInvalidResourceHandle);
    CUstream_st* stream = stream_of(s);
    if (lazy() && !e->capture && !stream->capture) {
        std::lock_guard lock(lazy_mutex());
        order_with_legacy(stream);
        if (pending(e)) stream->queue.push_back({nullptr, e, e->issued});
        return cudaSuccess;
    }
    std::lock_guard lock(captures().mutex);
    if (capturing(e) && !stream->capture) {  // a fork: the stream joins the capture
        stream->capture = e->capture;
        stream->origin = false;
    }
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t e) {
    {
        std::lock_guard lock(captures().mutex);
        if (capturing(e)) return set_error(cudaErrorStreamCaptureUnsupported);
    }
    drain_event(e);
    return status();
}

cudaError_t cudaEventQuery(cudaEvent_t e) {
    if (lazy()) {
        std::lock_guard lock(lazy_mutex());
        if (pending(e)) step(e->stream);
        if (pending(e)) return cudaErrorNotReady;
    }
    return cudaEventSynchronize(e);
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t a, cudaEvent_t b) {
    if (!a || !b || !a->recorded || !b->recorded) return set_error(cudaErrorInvalidResourceHandle);
    if ((a->flags | b->flags) & cudaEventDisableTiming)
        return set_error(cudaErrorInvalidResourceHandle);
    if (pending(a) || pending(b)) return set_error(cudaErrorNotReady);
    *ms = std::max(1e-3f, float(b->time - a->time));
    return status();
}

}  // extern "C"
