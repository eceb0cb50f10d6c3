// Stream capture and graphs. A graph is the list of the captured operations, in the order of the
// calls: one of the orders that its dependencies allow.
#include <algorithm>
#include <cstring>

#include "tests/cudaemu/runtime/errors.h"
#include "tests/cudaemu/runtime/streams.h"

using namespace fovea::cudaemu;

// A capture begins (+1) or ends (-1) in a stream. Needs captures().mutex.
static void count_capture(const CUstream_st* s, int change) {
    if (s->mode != cudaStreamCaptureModeRelaxed) captures().strict += change;
    if (s->blocking()) captures().blocking += change;
}

extern "C" {

cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode) {
    CUstream_st* stream = stream_of(s);
    if (stream == stream_of(nullptr)) return set_error(cudaErrorStreamCaptureUnsupported);
    if (stream->capture) return set_error(cudaErrorIllegalState);
    std::lock_guard lock(captures().mutex);
    stream->capture = new CUgraph_st;
    stream->origin = true;
    stream->mode = mode;
    captures().active.insert(stream->capture);
    count_capture(stream, +1);
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
    CUstream_st* stream = stream_of(s);
    if (!stream->capture || !stream->origin) return set_error(cudaErrorStreamCaptureUnmatched);
    std::lock_guard lock(captures().mutex);
    *graph = stream->capture;
    stream->capture = nullptr;
    for (CUstream_st* other : captures().streams)
        if (other->capture == *graph) other->capture = nullptr;
    captures().active.erase(*graph);
    count_capture(stream, -1);
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* c) {
    *c = stream_of(s)->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t s, cudaStreamCaptureStatus* c,
                                     unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t** dependencies,
                                     const cudaGraphEdgeData** edges, size_t* count) {
    CUgraph_st* capture = stream_of(s)->capture;
    *c = capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    if (id) *id = reinterpret_cast<unsigned long long>(capture);
    if (graph) *graph = capture;
    if (dependencies) *dependencies = nullptr;
    if (edges) *edges = nullptr;
    if (count) *count = 0;
    return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode*) { return cudaSuccess; }

cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned) {
    *graph = new CUgraph_st;
    return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* x, cudaGraph_t graph,
                                          unsigned long long) {
    *x = new CUgraphExec_st;
    for (const auto& n : graph->nodes) (*x)->nodes.push_back(*n);
    return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* x, cudaGraph_t graph, unsigned long long flags) {
    return cudaGraphInstantiateWithFlags(x, graph, flags);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t x) {
    delete x;
    return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }

cudaError_t cudaGraphLaunch(cudaGraphExec_t x, cudaStream_t s) {
    return enqueue(s, cudaGraphNodeTypeGraph, [nodes = x->nodes] {
        for (const GraphNode& n : nodes)
            if (const cudaError_t e = n.run(); e != cudaSuccess) return e;
        return cudaSuccess;
    });
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t x, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo* info) {
    const bool same =
        std::equal(x->nodes.begin(), x->nodes.end(), graph->nodes.begin(), graph->nodes.end(),
                   [](const GraphNode& a, const auto& b) { return a.type == b->type; });
    if (info) {
        *info = {};
        info->result = same ? cudaGraphExecUpdateSuccess : cudaGraphExecUpdateErrorTopologyChanged;
    }
    if (!same) return set_error(cudaErrorGraphExecUpdateFailure);
    for (size_t i = 0; i < graph->nodes.size(); i++) x->nodes[i] = *graph->nodes[i];
    return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
    if (nodes)
        for (size_t i = 0; i < std::min(*count, graph->nodes.size()); i++)
            nodes[i] = reinterpret_cast<cudaGraphNode_t>(graph->nodes[i].get());
    *count = graph->nodes.size();
    return cudaSuccess;
}
cudaError_t cudaGraphNodeGetType(cudaGraphNode_t node, cudaGraphNodeType* type) {
    *type = reinterpret_cast<GraphNode*>(node)->type;
    return cudaSuccess;
}

}  // extern "C"
