// Convolutions through cuDNN 9's graph interface: channels-last tensors, F32 or BF16, float
// accumulation, the bias added in float before y is rounded, dw in F32 or BF16. Plans are kept by
// shape; deterministic engines only; TF32 only where gpu::allow_tf32 says so. Compiled against
// cuDNN 9.19 and never run: there was no GPU to run it on.
#ifdef FOVEA_CUDNN

#include "kernels/cuda/cudnn_conv.h"

#include <array>
#include <map>

#include "kernels/cuda/conv_slices.h"
#include "kernels/cuda/cudnn_graph.h"
#include "kernels/cuda/workspace.h"
#include "kernels/include/gpu.h"

namespace fovea::kernels::cuda {
namespace {

using cudnn::Descriptor;
using cudnn::Plan;

enum class Pass : std::int64_t { Forward, BackwardInput, BackwardWeight };
/// Unique ids of the tensors: x, w, y and their gradients, the bias, and y before the bias.
enum Id : std::int64_t { kX = 1, kW, kY, kBias, kSum };

cudnnDataType_t type_of(DType t) {
    return t == DType::F32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
}

/// Memory [A,B,C,D] with D dense, for cuDNN [A,D,B,C]: images [N,H,W,C] and filters [O,R,S,I]
/// alike.
Descriptor tensor(Id id, const Shape& shape, DType dtype, std::int64_t alignment, bool is_virtual) {
    const std::array<std::int64_t, 4> extents = {shape[0], shape[3], shape[1], shape[2]};
    const std::array<std::int64_t, 4> strides = {shape[1] * shape[2] * shape[3], 1,
                                                 shape[2] * shape[3], shape[3]};
    Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, std::int64_t{id})
        .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type_of(dtype))
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::span<const std::int64_t>(extents))
        .set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, std::span<const std::int64_t>(strides))
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment)
        .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, is_virtual)
        .finalize();
    return d;
}

Descriptor convolution(const ConvParams& p) {
    const auto pair = [](const std::int64_t(&v)[2]) { return std::span<const std::int64_t>(v); };
    Descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2})
        .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
        .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, pair(p.stride))
        .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, pair(p.padding))
        .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, pair(p.padding))
        .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, pair(p.dilation))
        .finalize();
    return d;
}

/// The attributes' names differ from pass to pass, their meaning does not.
struct Names {
    cudnnBackendDescriptorType_t operation;
    cudnnBackendAttributeName_t conv, x, w, y, alpha, beta;
};
Names names_of(Pass pass) {
    switch (pass) {
        case Pass::BackwardInput:
            return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
        case Pass::BackwardWeight:
            return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
        case Pass::Forward: break;
    }
    return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
}

/// One convolution: x, w, y stand for the gradients too.
struct Problem {
    Pass pass;
    CView x, w, y, bias;
    const ConvParams& params;

    std::int64_t alignment() const {
        for (const CView* v : {&x, &w, &y, &bias})
            if (reinterpret_cast<std::uintptr_t>(v->data) % 16 != 0)
                return static_cast<std::int64_t>(size_of(x.dtype));
        return 16;
    }

    /// Everything that a plan depends on.
    std::vector<std::int64_t> key(const Stream& stream, bool tensor_cores) const {
        std::vector<std::int64_t> k = {stream.device.index, static_cast<std::int64_t>(pass),
                                       tensor_cores,        alignment(),
                                       params.groups,       static_cast<bool>(bias)};
        for (const CView* v : {&x, &w, &y}) {
            k.push_back(static_cast<std::int64_t>(v->dtype));
            k.insert(k.end(), v->shape.begin(), v->shape.end());
        }
        for (const auto& pair : {params.stride, params.padding, params.dilation})
            k.insert(k.end(), pair, pair + 2);
        return k;
    }

    std::unique_ptr<Plan> plan(cudnnHandle_t handle, bool tensor_cores) const {
        const std::int64_t aligned = alignment();
        const Descriptor tx = tensor(kX, x.shape, x.dtype, aligned, false);
        const Descriptor tw = tensor(kW, w.shape, w.dtype, aligned, false);
        const Descriptor ty = tensor(kY, y.shape, y.dtype, aligned, false);
        const Descriptor sum = tensor(kSum, y.shape, DType::F32, 16, true);
        const Descriptor conv = convolution(params);
        const Names names = names_of(pass);
        Descriptor operation(names.operation);
        operation.set(names.conv, conv)
            .set(names.x, tx)
            .set(names.w, tw)
            .set(names.y, bias ? sum : ty)
            .set(names.alpha, CUDNN_TYPE_FLOAT, 1.0F)
            .set(names.beta, CUDNN_TYPE_FLOAT, 0.0F);
        if (!operation.try_finalize()) return nullptr;
        if (!bias) return cudnn::make_plan(handle, std::array{operation.raw()}, tensor_cores);

        const Descriptor tb = tensor(kBias, {1, 1, 1, bias.numel()}, bias.dtype, aligned, false);
        Descriptor add(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
        add.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, CUDNN_POINTWISE_ADD)
            .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
            .finalize();
        Descriptor shift(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
        shift.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, add)
            .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, sum)
            .set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, tb)
            .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, ty);
        if (!shift.try_finalize()) return nullptr;
        return cudnn::make_plan(handle, std::array{operation.raw(), shift.raw()}, tensor_cores);
    }
};

/// The plan for a problem, made at its first use; null where there is none. Plans belong to a
/// handle, so each thread has its own.
const Plan* find_plan(const Stream& stream, const Problem& problem) {
    thread_local std::map<std::vector<std::int64_t>, std::unique_ptr<Plan>> plans;
    const bool tensor_cores = problem.y.dtype == DType::BF16 || gpu::tf32_allowed();
    const auto [found, is_new] = plans.try_emplace(problem.key(stream, tensor_cores));
    if (is_new) found->second = problem.plan(cudnn::handle_on(stream), tensor_cores);
    return found->second.get();
}

void run(const Stream& stream, const Problem& problem, const Plan& plan, void* workspace) {
    std::vector<std::int64_t> ids = {kX, kW, kY};
    std::vector<void*> data;
    for (const CView* v : {&problem.x, &problem.w, &problem.y})
        data.push_back(const_cast<void*>(v->data));
    if (problem.bias) {
        ids.push_back(kBias);
        data.push_back(const_cast<void*>(problem.bias.data));
    }
    cudnn::execute(cudnn::handle_on(stream), plan, ids, data, workspace);
}

bool run(const Stream& stream, const Problem& problem) {
    const Plan* plan = find_plan(stream, problem);
    if (!plan) return false;
    run(stream, problem, *plan, workspace(stream, plan->workspace_bytes));
    return true;
}

}  // namespace

bool cudnn_conv_forward(const Stream& stream, View y, CView x, CView w, CView bias,
                        const ConvParams& params) {
    return run(stream, {Pass::Forward, x, w, y, bias, params});
}

bool cudnn_conv_backward_input(const Stream& stream, View dx, CView dy, CView w,
                               const ConvParams& params) {
    return run(stream, {Pass::BackwardInput, dx, w, dy, {}, params});
}

bool cudnn_conv_backward_weight(const Stream& stream, View dw, CView dy, CView x,
                                const ConvParams& params, GradMode mode) {
    if (mode == GradMode::Overwrite)
        return run(stream, {Pass::BackwardWeight, x, dw, dy, {}, params});
    // Into scratch memory, behind cuDNN's own, and from there added.
    View fresh = dw;
    fresh.dtype = DType::F32;
    fresh.data = nullptr;
    Problem problem{Pass::BackwardWeight, x, fresh, dy, {}, params};
    const Plan* plan = find_plan(stream, problem);
    if (!plan) return false;
    const std::size_t ours = (plan->workspace_bytes + 255) / 256 * 256;
    char* scratch =
        workspace<char>(stream, ours + static_cast<std::size_t>(dw.numel()) * sizeof(float));
    problem.w.data = scratch + ours;
    run(stream, problem, *plan, scratch);
    sum_slices(stream, dw, reinterpret_cast<const float*>(scratch + ours), 1, mode);
    return true;
}

}  // namespace fovea::kernels::cuda

#endif
