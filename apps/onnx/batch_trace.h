// BatchTrace: one function traced at two batch sizes, so that what depends on the batch can be told from
// what does not.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/trace.h"

namespace fovea::apps {

/// An extent of a tensor: `size`, or if per_image `size` times the batch.
struct Extent {
    std::int64_t size;
    bool per_image = false;
    bool operator==(const Extent&) const = default;
};
using Extents = std::vector<Extent>;

/// Error K20: ONNX has no form for `what` of this model.
[[noreturn]] void refuse_onnx(const std::string& what, const std::string& model);

class BatchTrace {
public:
    /// Runs f on pictures of `image` {height, width, channels}, twice two and three of them, which differ.
    /// Tensors that are `known` get numbers before all others. Error K20 if f takes different ways through
    /// the ops.
    BatchTrace(std::string model, const std::function<Tensor(const Tensor&)>& f, const Shape& image,
               const std::vector<Tensor>& known);

    const std::string& model() const { return model_; }
    const std::vector<Trace::Op>& ops() const { return few_.ops(); }
    int known(std::size_t i) const { return known_[i]; }
    int input() const { return input_; }
    int output() const { return output_; }

    /// Error K20: an extent that is no multiple of the batch.
    Extents extents(int value) const;
    /// Did an op make this value?
    bool computed(int value) const;
    /// No op made this value, and all its elements are zero, however many a batch gives it.
    bool zeros(int value) const;
    /// A value that no op made, and whose extents and elements do not depend on the pictures. Else K20.
    const Tensor& constant(int value) const;

    /// The argument that op number `op` had at both batch sizes. Error K20 if they differ.
    template <class T>
    T argument(std::size_t op, std::size_t index) const {
        const T* one = std::any_cast<T>(&few_.ops()[op].arguments.at(index).value);
        const T* other = std::any_cast<T>(&many_.ops()[op].arguments.at(index).value);
        if (one == nullptr || other == nullptr)
            refuse_onnx("the arguments of " + few_.ops()[op].name, model_);
        if constexpr (std::equality_comparable<T>)
            if (!(*one == *other))
                refuse_onnx("a " + few_.ops()[op].name + " that depends on the batch", model_);
        return *one;
    }

private:
    std::string model_;
    std::vector<int> known_;
    int input_ = 0, output_ = 0;
    Trace many_, few_;
};

}  // namespace fovea::apps
