// y [B,H,W,C] = normalised window of x [B,H0,W0,C] (U8), moved, mirrored and with a box erased, as the
// sample's random numbers say (kernels/include/augment.h).
//
// A block takes 4096 values of one sample. Its first warp decides, an attempt to place the box a lane;
// then threads take neighbouring values: a warp writes 32 of them side by side and reads 32 bytes that
// lie side by side too, but for the ends of rows. Reads x once, writes y once. Normalisation is one
// fused multiply-add and pixel noise is computed in float, both within a few roundings of the host's.
#include "kernels/include/augment.h"

#include "kernels/cuda/numbers.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/strided.cuh"
#include "kernels/include/augment_random.h"

namespace fovea::kernels::cuda {
namespace {

constexpr int kThreads = 256, kSteps = 16;

struct Geometry {
    int H0, W0, H, W, C;
    Divider parts, row_values, channels;  ///< blocks of a sample, W * C, C
    float scale[3] = {}, shift[3] = {};   ///< by channel: value = pixel * scale + shift
};

/// What happens to a sample.
struct Plan {
    augment::Choices choices;
    augment::Box erased;  ///< empty: nothing is
};

/// By one warp: the plan of a sample in `plan`.
__device__ void decide(Plan& plan, const RandomSite& random, const Geometry& g,
                       const AugmentParams& params, const augment::BoxRule& rule) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const augment::Choices choices =
        augment::choose(random, params.pad_crop, params.flip, params.erase);
    augment::Box box;
    const bool fits = choices.erase && lane < augment::kAttempts &&
                      augment::try_box(random, rule, lane, g.H, g.W, box);
    const int first = __ffs(static_cast<int>(__ballot_sync(kAllLanes, fits))) - 1;
    if (lane == max(first, 0)) plan = {choices, first < 0 ? augment::Box{} : box};
}

/// Pixel noise for element i of [H,W,C]: augment::noise in float, angles in turns.
__device__ float noise(const RandomSite& random, std::uint64_t i) {
    const std::uint64_t pair = augment::kNoise + i / 2 * 2;
    const Philox4 r = random.bits(pair / 4);
    const bool upper = pair % 4 != 0;
    const float radius = sqrtf(-2.0F * logf(1.0F - to_unit(upper ? r.v[2] : r.v[0])));
    const float half_turns = 2.0F * to_unit(upper ? r.v[3] : r.v[1]);
    return radius * (i % 2 != 0 ? sinpif(half_turns) : cospif(half_turns));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    augment_kernel(T* __restrict__ y, const std::uint8_t* __restrict__ x,
                   const std::int64_t* __restrict__ samples, const __grid_constant__ Geometry g,
                   const __grid_constant__ AugmentParams params,
                   const __grid_constant__ augment::BoxRule rule) {
    __shared__ Plan shared;
    const std::uint32_t b = g.parts.quotient(blockIdx.x);
    const std::uint32_t part = blockIdx.x - b * g.parts.divisor;
    const RandomSite random{params.seed, RandomStream::Augment,
                            static_cast<std::uint32_t>(samples[b]),
                            static_cast<std::uint32_t>(params.epoch)};
    if (threadIdx.x < kWarp) decide(shared, random, g, params, rule);
    __syncthreads();

    const std::uint32_t values = g.row_values.divisor * static_cast<std::uint32_t>(g.H);
    const std::uint8_t* const image = x + static_cast<Index>(b) * g.H0 * g.W0 * g.C;
    T* const out = y + static_cast<Index>(b) * values;
    const Plan plan = shared;
#pragma unroll 4
    for (int step = 0; step < kSteps; ++step) {
        const std::uint32_t i = (part * kSteps + step) * kThreads + threadIdx.x;
        if (i >= values) break;
        const auto row = static_cast<int>(g.row_values.quotient(i));
        const std::uint32_t in_row = i - row * g.row_values.divisor;
        const auto column = static_cast<int>(g.channels.quotient(in_row));
        const int c = static_cast<int>(in_row) - column * g.C;
        if (plan.erased.contains(row, column)) {
            out[i] = from_float<T>(params.noise ? noise(random, i) : 0.0F);
            continue;
        }
        const int from_row = row + plan.choices.top;
        const int from = (plan.choices.flip ? g.W - 1 - column : column) + plan.choices.left;
        const bool inside = static_cast<unsigned>(from_row) < static_cast<unsigned>(g.H0) &&
                            static_cast<unsigned>(from) < static_cast<unsigned>(g.W0);
        const std::uint8_t pixel = inside ? image[(from_row * g.W0 + from) * g.C + c] : 0;
        out[i] = from_float<T>(static_cast<float>(pixel) * g.scale[c] + g.shift[c]);
    }
}

}  // namespace

void augment_images(const Stream& stream, View y, CView x, CView samples,
                    const AugmentParams& params) {
    if (y.numel() == 0) return;
    const Index values = y.numel() / y.dim(0), parts = ceil_div(values, kThreads * kSteps);
    Geometry g{static_cast<int>(x.dim(1)),   static_cast<int>(x.dim(2)), static_cast<int>(y.dim(1)),
               static_cast<int>(y.dim(2)),   static_cast<int>(y.dim(3)), Divider(parts),
               Divider(y.dim(2) * y.dim(3)), Divider(y.dim(3))};
    for (int c = 0; c < g.C; ++c) {
        const double std = static_cast<double>(params.std[c]);
        g.scale[c] = static_cast<float>(1.0 / (255.0 * std));
        g.shift[c] = static_cast<float>(-static_cast<double>(params.mean[c]) / std);
    }
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        launch(stream, {static_cast<unsigned>(parts * y.dim(0)), kThreads}, augment_kernel<T>,
               y.as<T>(), x.as<std::uint8_t>(), samples.as<std::int64_t>(), g, params,
               augment::erase_rule(g.H, g.W));
    });
}

}  // namespace fovea::kernels::cuda
