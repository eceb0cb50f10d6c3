// Golden files of models/: names and shapes, inference, one training step with all gradients.
#include "core/tape.h"
#include "models/swin.h"
#include "models/weights.h"
#include "tests/parity/cases.h"
#include "tests/parity/model_builder.h"
#include "tests/parity/training_loss.h"

namespace fovea::parity {
namespace {

// fp32 bounds for gradients, relative L2: transformers without BatchNorm 1e-4, tiny models with
// BatchNorm 2e-3, full-size CvT 5e-3. In a full-size ReLU network some ReLU or maximum flips on a rounding
// error and moves whole entries: AlexNet 2e-2; ResNet, where that grows with depth, four times what
// the reference implementation's own fp32 run shows. The sharp check of those is the one in fp64.
double gradient_tolerance(const Json& file, const Target& target) {
    if (target.exact()) return 1e-8;
    const bool batch_norm = !part_of(file.at("train"), "bn_after").empty();
    const bool full_size = file.at("param_count").at("parameters").get<double>() > 1e6;
    const std::string family = file.at("family");
    if (full_size && family.rfind("alexnet", 0) == 0) return 2e-2;
    if (full_size && family == "resnet")
        return 4.0 * file.at("float32").at("grad_worst_rel_l2_dev")[1].get<double>();
    return batch_norm ? (full_size ? 5e-3 : 2e-3) : 1e-4;
}

// fp32 on eight times the deviation that the reference implementation's own fp32 run has.
double fp32_bound(const Json& file, const char* key) {
    return std::max(2e-6, 8.0 * file.at("float32").value(key, 0.0));
}

void check_gradients(Classifier& model, const Json& file, const Target& target, Checker& check) {
    const Json& grads = file.at("train").at("grads");
    std::map<std::string, bool> zero;
    for (const Json& name : file.at("train").value("zero_grads", Json::array())) zero[name] = true;
    std::map<std::string, NamedParameter> own;
    for (const NamedParameter& p : parameters_of(model)) own[p.name] = p;
    const OwnNames own_name = own_names(model, file.at("model"));
    const double relative = gradient_tolerance(file, target);
    check.require("a gradient for every parameter", grads.size() == own.size());
    for (const auto& [name, probe] : grads.items()) {
        const NamedParameter& p = own.at(own_name.at(name));
        const std::vector<double> gradient =
            to_checkpoint_layout(p.parameter->value.grad(), p.parameter->layout).to_vector();
        if (zero.count(name) != 0) {
            const double noise = target.exact()
                                     ? 1e-8
                                     : 64.0 * file.at("float32").value("zero_grads_norm_max", 1e-6);
            check.values("gradient (exactly zero) " + name, gradient,
                         std::vector<double>(gradient.size(), 0.0), noise, true);
        } else {
            check.probe("gradient " + name, gradient, probe.get<std::vector<double>>(), relative);
        }
    }
}

/// Swin's features against what the reference's stages gave.
void check_features(const Swin& swin, const Tensor& images, const Json& file, const Target& target,
                    Checker& check) {
    const Json& taps = file.at("eval").at("taps");
    const std::string naming = file.at("model").at("naming");
    if (taps.empty()) return;
    if (naming == "microsoft") return;  // its stages end with the next one's first step
    const std::vector<Tensor> maps = swin.features(images, {});
    for (std::size_t i = 0; i < maps.size(); ++i) {
        const std::string stage = naming == "timm" ? "layers." + std::to_string(i)
                                                   : "features." + std::to_string(2 * i + 1);
        const Json& tap = taps.at(stage);  // shape, then a probe
        check.require("shape of " + stage, maps[i].shape() == shape_from(tap.at(0)));
        check.probe("output of " + stage, maps[i].to_vector(), {tap.begin() + 1, tap.end()},
                    target.exact() ? 1e-8 : 1e-4);
    }
}

}  // namespace

bool check_model(const Json& file, const Target& target, Checker& check) {
    const std::unique_ptr<Classifier> model = build_model(file.at("family"), file.at("model"));
    if (!model) return false;
    require_only(file.at("args"), {"loss"});
    const Json& loss_description = file.at("args").at("loss");
    require_loss(loss_description);
    check.require(
        "parameter count",
        parameter_count(*model) == file.at("param_count").at("parameters").get<std::int64_t>());
    fill_by_formula(*model, file, target, check);
    const Tensor images = to_nhwc(described(file.at("input"), target));

    const std::vector<double> eval_logits = model->forward(images, Pass{}).to_vector();
    const std::vector<double> expected = numbers_from(file.at("eval").at("logits"));
    if (target.exact())
        check.values("eval logits", eval_logits, expected, 1e-8);
    else
        check.values("eval logits", eval_logits, expected,
                     fp32_bound(file, "eval_logits_max_abs_dev"), true);
    if (const auto* swin = dynamic_cast<const Swin*>(model.get()))
        check_features(*swin, images, file, target, check);

    const Json& train = file.at("train");
    Pass pass;
    pass.training = true;
    Tape tape;
    const Tensor labels = labels_from(file.at("labels"), target);
    const auto [logits, distilled, teacher, loss] =
        training_loss(*model, images, labels, loss_description, target, pass);
    tape.backward(loss);
    const std::vector<double> train_expected =
        train.contains("logits") ? numbers_from(train.at("logits")) : expected;
    const double bound = target.exact() ? 1e-8
                                        : std::max(fp32_bound(file, "train_logits_max_abs_dev"),
                                                   fp32_bound(file, "eval_logits_max_abs_dev"));
    const bool absolute = !target.exact();
    check.values("train logits", logits.to_vector(), train_expected, bound, absolute);
    check.values("loss", loss.to_vector(), numbers_from(train.at("loss")), bound, absolute);
    if (distilled.defined()) {
        check.values("logits of the distillation head", distilled.to_vector(),
                     numbers_from(train.at("logits_dist")), bound, absolute);
        const NoGrad only_looking;
        ops::DistillationParams soft = distillation_params(loss_description.at("args"));
        soft.kind = ops::Distillation::Soft;
        soft.tau = 3.0;
        check.values("soft distillation",
                     ops::distillation_loss(logits, distilled, teacher, labels, soft).to_vector(),
                     numbers_from(train.at("loss_soft_tau3")), bound, absolute);
    }
    check_gradients(*model, file, target, check);
    if (train.contains("bn_after") && !train.at("bn_after").is_null()) {
        std::map<std::string, Tensor> buffers;
        for (const NamedBuffer& b : buffers_of(*model)) buffers[b.name] = b.buffer->value;
        const OwnNames own_name = own_names(*model, file.at("model"));
        for (const auto& [name, probe] : train.at("bn_after").items())
            check.probe("after the step, " + name, buffers.at(own_name.at(name)).to_vector(),
                        probe.get<std::vector<double>>(), target.exact() ? 1e-8 : 1e-4);
    }
    return true;
}

bool check_parameter_counts(const Json& file, Checker& check) {
    bool complete = true;  // is every family supported?
    for (const Json& c : file.at("cases")) {
        const std::unique_ptr<Classifier> model = build_model(c.at("family"), c.at("model"));
        complete &= model != nullptr;
        if (!model) continue;
        const std::string key = c.at("key");
        check.require(key + " has " + std::to_string(parameter_count(*model)) + " parameters",
                      parameter_count(*model) == file.at("parameters").at(key).get<std::int64_t>());
    }
    return complete;
}

}  // namespace fovea::parity
