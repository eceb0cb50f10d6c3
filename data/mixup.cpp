#include "data/mixup.h"

#include "core/error.h"
#include "kernels/include/elementwise.h"

namespace fovea {

Tensor mixup_images(const Tensor& images, double lam) {
    const Tensor x = images.contiguous();
    const std::int64_t batch = x.size(0);
    Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
    for (std::int64_t b = 0; b < batch; ++b)
        y.slice(0, b, b + 1).copy_from(x.slice(0, batch - 1 - b, batch - b));
    kernels::axpby(x.stream(), y.view(), x, lam, 1.0 - lam);
    return y;
}

Tensor cutmix_images(const Tensor& images, const CutBox& box) {
    if (box.top < 0 || box.left < 0 || box.top > box.bottom || box.left > box.right ||
        box.bottom > images.size(1) || box.right > images.size(2))
        throw Error("B01",
                    "cutmix_images: the box is not inside the images " + to_string(images.shape()));
    const std::int64_t batch = images.size(0);
    Tensor y = images.clone();
    const auto cut = [&](const Tensor& t, std::int64_t b) {
        return t.slice(0, b, b + 1).slice(1, box.top, box.bottom).slice(2, box.left, box.right);
    };
    for (std::int64_t b = 0; b < batch; ++b) cut(y, b).copy_from(cut(images, batch - 1 - b));
    return y;
}

Tensor mixup_targets(const Tensor& labels, std::int64_t classes, double lam, double smoothing) {
    const std::vector<double> label = labels.to_vector();
    const double off_value = smoothing / static_cast<double>(classes);
    const auto off = static_cast<float>(off_value);
    const auto on = static_cast<float>(1.0 - smoothing + off_value);
    const auto own = static_cast<float>(lam), other = static_cast<float>(1.0 - lam);
    std::vector<double> targets;
    for (std::size_t b = 0; b < label.size(); ++b)
        for (std::int64_t c = 0; c < classes; ++c) {
            const auto at = static_cast<double>(c);
            const float mine = label[b] == at ? on : off;
            const float partners = label[label.size() - 1 - b] == at ? on : off;
            targets.push_back(static_cast<double>(mine * own + partners * other));
        }
    return Tensor::from(targets, {labels.size(0), classes}, DType::F32, labels.device());
}

}  // namespace fovea
