#include "kernels/include/augment.h"

#include "kernels/include/augment_random.h"
#include "kernels/reference/support.h"

namespace fovea::kernels::reference {

void augment_images(const Stream&, View y, CView x, CView samples, const AugmentParams& params) {
    const int H0 = static_cast<int>(x.dim(1)), W0 = static_cast<int>(x.dim(2));
    const int H = static_cast<int>(y.dim(1)), W = static_cast<int>(y.dim(2));
    const int C = static_cast<int>(y.dim(3));
    const augment::BoxRule rule = augment::erase_rule(H, W);
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        T* out = y.as<T>();
        for (Index b = 0; b < y.dim(0); ++b) {
            const RandomSite random{params.seed, RandomStream::Augment,
                                    static_cast<std::uint32_t>(samples.as<std::int64_t>()[b]),
                                    static_cast<std::uint32_t>(params.epoch)};
            const augment::Choices choices =
                augment::choose(random, params.pad_crop, params.flip, params.erase);
            augment::Box box;
            const bool erased = choices.erase && augment::random_box(random, rule, H, W, box);
            const std::uint8_t* image = x.as<std::uint8_t>() + b * H0 * W0 * C;
            const auto pixel = [&](int row, int column, int c) {
                const bool inside = row >= 0 && row < H0 && column >= 0 && column < W0;
                return inside ? image[(row * W0 + column) * C + c] : std::uint8_t{0};
            };
            for (int i = 0; i < H * W * C; ++i, ++out) {
                const int row = i / C / W, column = i / C % W, c = i % C;
                const int from = choices.flip ? W - 1 - column : column;
                if (erased && box.contains(row, column))
                    *out =
                        params.noise
                            ? static_cast<T>(augment::noise(random, static_cast<std::uint64_t>(i)))
                            : T{0};
                else
                    *out =
                        (static_cast<T>(pixel(row + choices.top, from + choices.left, c)) / T{255} -
                         static_cast<T>(params.mean[c])) /
                        static_cast<T>(params.std[c]);
            }
        }
    });
}

}  // namespace fovea::kernels::reference
