// LayerNorm and BatchNorm.
#include "apps/onnx/ops.h"

namespace fovea::apps {
namespace {

OnnxAttribute epsilon(double eps) { return {"epsilon", static_cast<float>(eps)}; }

void layer_norm(OnnxBuilder& b, const OnnxCall& c) {
    const std::int64_t channels = b.extents(c.tensor(0)).back().size;
    std::vector<std::string> inputs = {b.plain(c.tensor(0))};
    inputs.push_back(
        c.has(1) ? b.plain(c.tensor(1))
                 : b.constant("ones_" + std::to_string(channels), Tensor::full({channels}, 1.0)));
    if (c.has(2)) inputs.push_back(b.plain(c.tensor(2)));
    b.bind_plain(c.result(), b.node("LayerNormalization", inputs,
                                    {{"axis", std::int64_t{-1}}, epsilon(c.value<double>(3))}));
}

/// ONNX normalises axis 1: planes of maps, columns of matrices. All else becomes rows first.
void batch_norm(OnnxBuilder& b, const OnnxCall& c) {
    if (c.value<bool>(5)) c.refuse("the statistics of the batch");
    const int x = c.tensor(0);
    const Extents extents = b.extents(x);
    const auto normalised = [&](const std::string& name) {
        std::vector<std::string> inputs = {name};
        for (std::size_t i = 1; i < 5; ++i) inputs.push_back(b.plain(c.tensor(i)));
        return b.node("BatchNormalization", inputs, {epsilon(c.value<double>(6))});
    };
    if (extents.size() == 4) return b.bind_planes(c.result(), normalised(b.planes(x)));
    Extent count{1};
    for (std::size_t i = 0; i + 1 < extents.size(); ++i) {
        count.size *= extents[i].size;
        count.per_image = count.per_image || extents[i].per_image;
    }
    const Extents rows = {count, extents.back()};
    b.bind_plain(c.result(),
                 b.reshape(normalised(b.reshape(b.plain(x), extents, rows)), rows, extents));
}

}  // namespace

void add_norm_ops(OnnxOps& ops) {
    ops["layer_norm"] = layer_norm;
    ops["batch_norm"] = batch_norm;
}

}  // namespace fovea::apps
