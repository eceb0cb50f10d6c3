// Which input positions feed an output position, along one axis of a convolution.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/include/conv.h"

namespace fovea::kernels::cpu {

/// Filter element `kernel` meets position `input`.
struct Tap {
    std::int64_t kernel, input;
};

/// For every output position its taps, those in the padding left out.
class Taps {
public:
    std::span<const Tap> operator[](std::int64_t output) const {
        const std::size_t i = static_cast<std::size_t>(output);
        return {taps_.data() + first_[i], first_[i + 1] - first_[i]};
    }

    /// y from x: output o meets input o * stride - padding + k * dilation.
    static Taps forward(const ConvParams& p, int axis, std::int64_t in, std::int64_t kernel,
                        std::int64_t out) {
        Taps list;
        for (std::int64_t o = 0; o < out; ++o) {
            for (std::int64_t k = 0; k < kernel; ++k)
                list.add(k, o * p.stride[axis] - p.padding[axis] + k * p.dilation[axis], in);
            list.first_.push_back(list.taps_.size());
        }
        return list;
    }

    /// dx from dy: the same relation, read from x's side ("output" i is a position of x).
    static Taps backward(const ConvParams& p, int axis, std::int64_t in, std::int64_t kernel,
                         std::int64_t out) {
        Taps list;
        for (std::int64_t i = 0; i < in; ++i) {
            for (std::int64_t k = 0; k < kernel; ++k) {
                const std::int64_t o = i + p.padding[axis] - k * p.dilation[axis];
                if (o % p.stride[axis] == 0) list.add(k, o / p.stride[axis], out);
            }
            list.first_.push_back(list.taps_.size());
        }
        return list;
    }

private:
    void add(std::int64_t kernel, std::int64_t position, std::int64_t extent) {
        if (position >= 0 && position < extent) taps_.push_back({kernel, position});
    }

    std::vector<Tap> taps_;
    std::vector<std::size_t> first_{0};
};

}  // namespace fovea::kernels::cpu
