// Execution plans of cuDNN's graph interface. Compiled against cuDNN 9.19 and never run: there was
// no GPU to run it on.
#ifdef FOVEA_CUDNN

#include "kernels/cuda/cudnn_graph.h"

#include <algorithm>
#include <array>
#include <map>

namespace fovea::kernels::cuda::cudnn {
namespace {

struct Handle {
    cudnnHandle_t raw = nullptr;
    Handle() { FOVEA_CUDNN_CHECK(cudnnCreate(&raw)); }
    ~Handle() { cudnnDestroy(raw); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
};

/// Engine configurations for the graph, the most promising one first.
std::vector<Descriptor> candidates(const Descriptor& graph, cudnnBackendHeurMode_t mode) {
    constexpr std::int64_t most = 16;
    Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
        .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (!heuristics.try_finalize()) return {};

    std::vector<Descriptor> found;
    std::array<cudnnBackendDescriptor_t, most> raw{};
    for (cudnnBackendDescriptor_t& r : raw)
        r = found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).raw();
    std::int64_t count = 0;
    FOVEA_CUDNN_CHECK(cudnnBackendGetAttribute(heuristics.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                               CUDNN_TYPE_BACKEND_DESCRIPTOR, most, &count,
                                               raw.data()));
    while (static_cast<std::int64_t>(found.size()) > count) found.pop_back();
    return found;
}

bool acceptable(const Descriptor& config, bool tensor_cores) {
    Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendDescriptor_t raw = engine.raw();
    std::int64_t count = 0;
    FOVEA_CUDNN_CHECK(cudnnBackendGetAttribute(config.raw(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                               CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &raw));
    std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
    FOVEA_CUDNN_CHECK(cudnnBackendGetAttribute(engine.raw(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                               CUDNN_TYPE_NUMERICAL_NOTE, notes.size(), &count,
                                               notes.data()));
    return std::none_of(notes.begin(), notes.begin() + count, [&](cudnnBackendNumericalNote_t n) {
        return n == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC ||
               n == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION ||
               (n == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && !tensor_cores);
    });
}

}  // namespace

cudnnHandle_t handle_on(const Stream& stream) {
    thread_local std::map<int, Handle> handles;
    const cudnnHandle_t handle = handles[stream.device.index].raw;
    FOVEA_CUDNN_CHECK(cudnnSetStream(handle, static_cast<cudaStream_t>(stream.handle)));
    return handle;
}

std::unique_ptr<Plan> make_plan(cudnnHandle_t handle,
                                std::span<const cudnnBackendDescriptor_t> operations,
                                bool tensor_cores) {
    Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle)
        .set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operations);
    if (!graph.try_finalize()) return nullptr;

    for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
        for (const Descriptor& config : candidates(graph, mode)) {
            if (!acceptable(config, tensor_cores)) continue;
            Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
            plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle)
                .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
            if (!plan.try_finalize()) continue;
            std::int64_t bytes = 0, count = 0;
            FOVEA_CUDNN_CHECK(cudnnBackendGetAttribute(plan.raw(),
                                                       CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                       CUDNN_TYPE_INT64, 1, &count, &bytes));
            return std::make_unique<Plan>(Plan{std::move(plan), static_cast<std::size_t>(bytes)});
        }
    return nullptr;
}

void execute(cudnnHandle_t handle, const Plan& plan, std::span<const std::int64_t> ids,
             std::span<void* const> data, void* workspace) {
    Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids)
        .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, data)
        .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace)
        .finalize();
    FOVEA_CUDNN_CHECK(cudnnBackendExecute(handle, plan.execution.raw(), pack.raw()));
}

}  // namespace fovea::kernels::cuda::cudnn

#endif
