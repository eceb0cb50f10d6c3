// Golden files of layers/: y = op(x, ...), and the gradients of sum(y * gy).
#include "tests/parity/layer_case.h"

#include "core/tape.h"
#include "tests/parity/cases.h"

namespace fovea::parity {
namespace {

// The position embedding files hold what timm computed in float32, rounded to it.
double tolerance_of(const Json& file, const Target& target) {
    if (!target.exact()) return 1e-5;
    return file.at("op") == "resample_abs_pos_embed" ? 1e-6 : 1e-8;
}

const LayerOps& layer_ops() {
    static const LayerOps all = [] {
        LayerOps ops = map_ops();
        ops.merge(token_ops());
        return ops;
    }();
    return all;
}

std::vector<double> gradient_of(const Tensor& input) {
    if (!input.grad().defined())
        return std::vector<double>(static_cast<std::size_t>(input.numel()), 0.0);
    return input.grad().to_vector();
}

}  // namespace

Tensor LayerInputs::operator()(const std::string& name) {
    Tensor t = described(descriptions_.at(name), target_);
    t.set_requires_grad();
    made_[name] = t;
    return t;
}

bool check_layer(const Json& file, const Target& target, Checker& check) {
    if (file.at("op") == "swin_tables") return check_window_tables(file, target, check);
    const auto op = layer_ops().find(file.at("op"));
    if (op == layer_ops().end()) return false;
    require_only(file.at("args"), op->second.args);
    require_only(file.at("inputs"), op->second.inputs);

    Tape tape;
    LayerInputs inputs(file.at("inputs"), target);
    const LayerResult result = op->second.run(file.at("args"), inputs);
    const double tolerance = tolerance_of(file, target);
    check.require("y has the file's shape",
                  result.y.shape() == shape_from(file.at("y").at("shape")));
    check.values("y", result.y.to_vector(), numbers_from(file.at("y")), tolerance);
    for (const auto& [name, expected] : part_of(file, "more").items()) {
        const auto found = result.more.find(name);
        if (found == result.more.end()) throw Unsupported(name);
        check.values(name, found->second.to_vector(), numbers_from(expected), tolerance);
    }
    if (!file.contains("grad") || check.misses() > 0) return true;

    tape.backward_from(result.y, described(file.at("gy"), target));
    for (const auto& [name, expected] : file.at("grad").items())
        check.values("gradient of " + name, gradient_of(inputs.made().at(name)),
                     numbers_from(expected), tolerance);
    return true;
}

}  // namespace fovea::parity
