// cuDNN 9's graph interface ("backend API"): descriptors that own themselves, and execution plans.
// Only cudnn_conv.cpp includes this, and only in a build with FOVEA_CUDNN.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cuda/check.h"
#include "kernels/include/device.h"

namespace fovea::kernels::cuda::cudnn {

inline void check(cudnnStatus_t status, const char* expression, const char* file, int line) {
    if (status != CUDNN_STATUS_SUCCESS) fail(expression, file, line, cudnnGetErrorString(status));
}
#define FOVEA_CUDNN_CHECK(expression) \
    ::fovea::kernels::cuda::cudnn::check((expression), #expression, __FILE__, __LINE__)

/// One of cuDNN's opaque objects: attributes are set, then finalize() makes it usable.
class Descriptor {
public:
    explicit Descriptor(cudnnBackendDescriptorType_t type) {
        FOVEA_CUDNN_CHECK(cudnnBackendCreateDescriptor(type, &raw_));
    }
    ~Descriptor() {
        if (raw_) cudnnBackendDestroyDescriptor(raw_);
    }
    Descriptor(Descriptor&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
    Descriptor& operator=(Descriptor&&) = delete;

    cudnnBackendDescriptor_t raw() const { return raw_; }

    template <class T>
    Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                    std::span<const T> values) {
        FOVEA_CUDNN_CHECK(cudnnBackendSetAttribute(
            raw_, name, type, static_cast<std::int64_t>(values.size()), values.data()));
        return *this;
    }
    template <class T>
    Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                    const T& value) {
        return set(name, type, std::span<const T>(&value, 1));
    }
    Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& value) {
        return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.raw_);
    }
    Descriptor& finalize() {
        FOVEA_CUDNN_CHECK(cudnnBackendFinalize(raw_));
        return *this;
    }
    /// False where cuDNN does not support what was asked for.
    bool try_finalize() { return cudnnBackendFinalize(raw_) == CUDNN_STATUS_SUCCESS; }

private:
    cudnnBackendDescriptor_t raw_ = nullptr;
};

/// A compiled graph, ready to run on tensors known by their unique ids.
struct Plan {
    Descriptor execution;
    std::size_t workspace_bytes;
};

/// This thread's handle for the stream's device, set to the stream.
cudnnHandle_t handle_on(const Stream& stream);

/// The fastest plan by cuDNN's heuristics that gives the same bits on every run, and that rounds no
/// F32 input to TF32 unless `tensor_cores`; null where there is none.
std::unique_ptr<Plan> make_plan(cudnnHandle_t handle,
                                std::span<const cudnnBackendDescriptor_t> operations,
                                bool tensor_cores);

/// Runs on the handle's stream. workspace: plan.workspace_bytes on the device.
void execute(cudnnHandle_t handle, const Plan& plan, std::span<const std::int64_t> ids,
             std::span<void* const> data, void* workspace);

}  // namespace fovea::kernels::cuda::cudnn
