// The kernel that augments a batch gives the transforms' bits, on every host device.
#include <catch2/catch.hpp>

#include <vector>

#include "data/transforms.h"
#include "kernels/include/augment.h"

using namespace fovea;

namespace {

struct Batch {
    std::int64_t size;
    int height, width, channels;
    std::vector<std::uint8_t> pixels;
    std::vector<std::int64_t> samples;

    Batch(std::int64_t B, int H, int W, int C) : size(B), height(H), width(W), channels(C) {
        pixels.resize(static_cast<std::size_t>(B * H * W * C));
        for (std::size_t i = 0; i < pixels.size(); ++i)
            pixels[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
        for (std::int64_t b = 0; b < B; ++b) samples.push_back(1000003 * b + 17);
    }

    std::size_t values() const { return static_cast<std::size_t>(height * width * channels); }
    ImageView image(std::int64_t b) const {
        return {pixels.data() + static_cast<std::size_t>(b) * values(), height, width, channels};
    }
};

std::vector<float> by_transform(const TransformOptions& options, std::uint64_t seed,
                                std::int64_t epoch, const Batch& batch) {
    const Transform transform(options, true, seed);
    std::vector<float> out(batch.pixels.size(), NAN);
    for (std::int64_t b = 0; b < batch.size; ++b)
        transform.apply(batch.image(b), batch.samples[static_cast<std::size_t>(b)], epoch,
                        out.data() + static_cast<std::size_t>(b) * batch.values());
    return out;
}

std::vector<float> by_kernel(Device device, const TransformOptions& options, std::uint64_t seed,
                             std::int64_t epoch, const Batch& batch) {
    AugmentParams params{seed,         epoch,         options.pad_crop,
                         options.flip, options.erase, options.erase_fill == Erase::Noise};
    for (std::size_t c = 0; c < 3; ++c) {
        params.mean[c] = options.mean[options.mean.size() == 1 ? 0 : c];
        params.std[c] = options.std[options.std.size() == 1 ? 0 : c];
    }
    std::vector<float> out(batch.pixels.size(), NAN);
    const Shape shape = {batch.size, batch.height, batch.width, batch.channels};
    const View y{{out.data(), shape, contiguous_strides(shape), DType::F32}};
    const CView x{batch.pixels.data(), shape, contiguous_strides(shape), DType::U8};
    const CView samples{batch.samples.data(), {batch.size}, {1}, DType::I64};
    kernels::augment_images(Stream{device}, y, x, samples, params);
    return out;
}

}  // namespace

TEST_CASE("augment_images gives the bits of the transforms") {
    for (const int channels : {1, 3})
        for (const bool normalised : {false, true})
            for (const Erase fill : {Erase::Zero, Erase::Noise})
                for (const double share : {0.0, 0.5, 1.0}) {
                    TransformOptions o;
                    o.height = 17;
                    o.width = 13;
                    o.channels = channels;
                    if (normalised && channels == 3) {
                        o.mean = {0.485F, 0.456F, 0.406F};
                        o.std = {0.229F, 0.224F, 0.225F};
                    }
                    o.pad_crop = normalised ? 4 : 0;
                    o.flip = o.erase = share;
                    o.erase_fill = fill;
                    const Batch batch(40, o.height, o.width, channels);
                    const std::vector<float> want = by_transform(o, 99, 5, batch);
                    INFO(channels << " channels, share " << share);
                    CHECK((by_kernel(Device::cpu(), o, 99, 5, batch) == want));
                    CHECK((by_kernel(Device::reference(), o, 99, 5, batch) == want));
                    const bool random = share > 0.0 || o.pad_crop > 0;
                    CHECK((by_kernel(Device::cpu(), o, 99, 6, batch) != want) == random);
                }
}
