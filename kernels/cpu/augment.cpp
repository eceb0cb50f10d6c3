// Augmentation of a batch: a thread prepares whole samples, with the normalisation from a table.
#include "kernels/include/augment.h"

#include "kernels/cpu/parallel.h"
#include "kernels/include/augment_random.h"

namespace fovea::kernels::cpu {
namespace {

struct Geometry {
    int H0, W0, H, W, C;
};

/// Pixel -> normalised value, by channel.
struct Table {
    float values[3][256];

    explicit Table(const AugmentParams& params) {
        for (int c = 0; c < 3; ++c)
            for (int v = 0; v < 256; ++v)
                values[c][v] = (static_cast<float>(v) / 255.0f - params.mean[c]) / params.std[c];
    }
};

/// The window of the picture at (top, left), black outside, mirrored or not.
void write(float* out, const std::uint8_t* image, const Geometry& g,
           const augment::Choices& choices, const Table& table) {
    for (int row = 0; row < g.H; ++row) {
        const int from_row = row + choices.top;
        const bool inside = from_row >= 0 && from_row < g.H0;
        for (int column = 0; column < g.W; ++column, out += g.C) {
            const int from = (choices.flip ? g.W - 1 - column : column) + choices.left;
            const bool shown = inside && from >= 0 && from < g.W0;
            const std::uint8_t* const pixel = image + (from_row * g.W0 + from) * g.C;
            for (int c = 0; c < g.C; ++c) out[c] = table.values[c][shown ? pixel[c] : 0];
        }
    }
}

void erase(float* out, const Geometry& g, const RandomSite& random, const augment::Box& box,
           bool noise) {
    for (int row = box.top; row < box.top + box.height; ++row) {
        const int first = (row * g.W + box.left) * g.C;
        for (int i = first; i < first + box.width * g.C; ++i)
            out[i] = noise ? augment::noise(random, static_cast<std::uint64_t>(i)) : 0.0f;
    }
}

}  // namespace

void augment_images(const Stream&, View y, CView x, CView samples, const AugmentParams& params) {
    const Geometry g{static_cast<int>(x.dim(1)), static_cast<int>(x.dim(2)),
                     static_cast<int>(y.dim(1)), static_cast<int>(y.dim(2)),
                     static_cast<int>(y.dim(3))};
    const std::int64_t values = std::int64_t{g.H} * g.W * g.C;
    const augment::BoxRule rule = augment::erase_rule(g.H, g.W);
    const Table table(params);
    parallel_for(y.dim(0), 4 * values, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t b = begin; b < end; ++b) {
            const RandomSite random{params.seed, RandomStream::Augment,
                                    static_cast<std::uint32_t>(samples.as<std::int64_t>()[b]),
                                    static_cast<std::uint32_t>(params.epoch)};
            const augment::Choices choices =
                augment::choose(random, params.pad_crop, params.flip, params.erase);
            float* const out = y.as<float>() + b * values;
            write(out, x.as<std::uint8_t>() + b * g.H0 * g.W0 * g.C, g, choices, table);
            augment::Box box;
            if (choices.erase && augment::random_box(random, rule, g.H, g.W, box))
                erase(out, g, random, box, params.noise);
        }
    });
}

}  // namespace fovea::kernels::cpu
