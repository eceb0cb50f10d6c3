#include "tests/parity/training_loss.h"

#include "core/ops/loss.h"
#include "models/deit.h"

namespace fovea::parity {

ops::DistillationParams distillation_params(const Json& args) {
    if (args.at("reduction") != "mean") throw Unsupported("reduction");
    ops::DistillationParams params;
    params.kind = choose<ops::Distillation>(args.at("kind"), {{"none", ops::Distillation::None},
                                                              {"hard", ops::Distillation::Hard},
                                                              {"soft", ops::Distillation::Soft}});
    params.alpha = args.at("alpha");
    params.tau = args.at("tau");
    params.smoothing = args.at("smoothing");
    return params;
}

void require_loss(const Json& description) {
    if (description.at("op") != "distillation") {
        mean_cross_entropy(description);
        return;
    }
    require_only(description.at("args"),
                 {"kind", "alpha", "tau", "smoothing", "reduction", "teacher"});
    distillation_params(description.at("args"));
}

TrainingLoss training_loss(const Classifier& model, const Tensor& images, const Tensor& labels,
                           const Json& description, const Target& target, const Pass& pass,
                           std::int64_t step) {
    require_loss(description);
    const Json& args = description.at("args");
    TrainingLoss out;
    if (description.at("op") == "cross_entropy") {
        out.logits = model.forward(images, pass);
        out.loss = ops::cross_entropy(out.logits, labels, args.at("smoothing"));
        return out;
    }
    const auto& student = dynamic_cast<const DistilledClassifier&>(model);
    const DistilledClassifier::Heads heads = student.heads(images, pass);
    out.logits = heads.labels;
    out.distilled = heads.teacher;
    out.teacher = described(args.at("teacher"), target, step);
    out.loss = ops::distillation_loss(out.logits, out.distilled, out.teacher, labels,
                                      distillation_params(args));
    return out;
}

}  // namespace fovea::parity
