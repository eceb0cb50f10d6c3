// Golden files of losses/: values, and gradients with respect to the logits.
#include "core/ops/loss.h"
#include "core/tape.h"
#include "data/mixup.h"
#include "tests/parity/cases.h"
#include "tests/parity/training_loss.h"

namespace fovea::parity {
namespace {

double tolerance_of(const Target& target) { return target.exact() ? 1e-8 : 1e-5; }

ops::Reduction reduction_from(const Json& name) {
    return choose<ops::Reduction>(name, {{"mean", ops::Reduction::Mean},
                                         {"sum", ops::Reduction::Sum},
                                         {"none", ops::Reduction::None}});
}

// Partner of sample b: B-1-b is the only rule there is.
void require_flipped(const Json& partner) {
    if (partner != "flipped") throw Unsupported(partner.dump());
}

Tensor logits_from(const Json& file, const char* name, const Target& target) {
    Tensor logits = described(file.at("inputs").at(name), target);
    if (logits.rank() != 2) throw Unsupported("logits that are not [B,C]");
    return logits.set_requires_grad();
}

// The gradients are those of the sum of the losses.
void check_loss_and_gradients(const Json& file, Tape& tape, const Tensor& loss,
                              const std::map<std::string, Tensor>& logits, const Target& target,
                              Checker& check) {
    check.values("loss", loss.to_vector(), numbers_from(file.at("loss")), tolerance_of(target));
    tape.backward_from(loss, Tensor::full(loss.shape(), 1.0, loss.dtype(), loss.device()));
    for (const auto& [name, expected] : file.at("grad").items()) {
        const Tensor& x = logits.at(name);
        const std::vector<double> gradient =
            x.grad().defined() ? x.grad().to_vector()
                               : std::vector<double>(static_cast<std::size_t>(x.numel()), 0.0);
        check.values("gradient of " + name, gradient, numbers_from(expected), tolerance_of(target));
    }
}

void check_cross_entropy(const Json& file, const Target& target, Checker& check) {
    const Json& args = file.at("args");
    require_only(args, {"smoothing", "reduction", "labels"});
    require_only(file.at("inputs"), {"logits"});
    Tape tape;
    const Tensor logits = logits_from(file, "logits", target);
    const Tensor loss =
        ops::cross_entropy(logits, labels_from(args.at("labels"), target), args.at("smoothing"),
                           reduction_from(args.at("reduction")));
    check_loss_and_gradients(file, tape, loss, {{"logits", logits}}, target, check);
}

void check_mixup_cross_entropy(const Json& file, const Target& target, Checker& check) {
    const Json& args = file.at("args");
    require_only(args, {"lam", "smoothing", "labels", "partner", "reduction"});
    require_only(file.at("inputs"), {"logits"});
    require_flipped(args.at("partner"));
    Tape tape;
    const Tensor logits = logits_from(file, "logits", target);
    const Tensor targets = mixup_targets(labels_from(args.at("labels"), target), logits.size(1),
                                         args.at("lam"), args.at("smoothing"))
                               .to(target.dtype);
    if (file.contains("targets"))
        check.values("targets", targets.to_vector(), numbers_from(file.at("targets")),
                     tolerance_of(target));
    const Tensor loss =
        ops::soft_cross_entropy(logits, targets, reduction_from(args.at("reduction")));
    check_loss_and_gradients(file, tape, loss, {{"logits", logits}}, target, check);
}

void check_mixed_images(const Json& file, const Target& target, Checker& check) {
    const Json& args = file.at("args");
    require_only(file.at("inputs"), {"x"});
    require_flipped(args.at("partner"));
    const Tensor images = to_nhwc(described(file.at("inputs").at("x"), target));
    Tensor mixed;
    if (file.at("op") == "mixup_images") {
        require_only(args, {"lam", "partner"});
        mixed = mixup_images(images, args.at("lam"));
    } else {
        require_only(args, {"lam", "partner", "top", "bottom", "left", "right"});
        const CutBox box{args.at("top"), args.at("bottom"), args.at("left"), args.at("right")};
        check.values("lam", {box.lam(images.size(1), images.size(2))},
                     {args.at("lam").get<double>()}, 1e-8);
        mixed = cutmix_images(images, box);
    }
    check.values("y", to_nchw(mixed).to_vector(), numbers_from(file.at("y")), tolerance_of(target));
}

void check_distillation(const Json& file, const Target& target, Checker& check) {
    const Json& args = file.at("args");
    require_only(args,
                 {"kind", "alpha", "tau", "smoothing", "labels", "reduction", "soft_divisor"});
    require_only(file.at("inputs"), {"logits", "logits_dist", "teacher"});
    if (args.at("soft_divisor") != "numel") throw Unsupported("soft_divisor");
    const ops::DistillationParams params = distillation_params(args);
    Tape tape;
    const Tensor logits = logits_from(file, "logits", target);
    const Tensor distilled = logits_from(file, "logits_dist", target);
    const Tensor teacher = described(file.at("inputs").at("teacher"), target);
    const Tensor loss = ops::distillation_loss(logits, distilled, teacher,
                                               labels_from(args.at("labels"), target), params);
    check_loss_and_gradients(file, tape, loss, {{"logits", logits}, {"logits_dist", distilled}},
                             target, check);
}

}  // namespace

bool check_loss(const Json& file, const Target& target, Checker& check) {
    using Check = void (*)(const Json&, const Target&, Checker&);
    choose<Check>(file.at("op"), {{"cross_entropy", check_cross_entropy},
                                  {"mixup_cross_entropy", check_mixup_cross_entropy},
                                  {"mixup_images", check_mixed_images},
                                  {"cutmix_images", check_mixed_images},
                                  {"distillation", check_distillation}})(file, target, check);
    return true;
}

}  // namespace fovea::parity
