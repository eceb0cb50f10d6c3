#include "models/deit.h"

#include "core/ops/elementwise.h"

namespace fovea {

Tensor DistilledClassifier::forward(const Tensor& images, const Pass& pass) const {
    const Heads logits = heads(images, pass);
    return ops::scale(ops::add(logits.labels, logits.teacher), 0.5);
}

Deit::Deit(const VitConfig& config)
    : config_(config), trunk_(config, true), head_(config.embed_dim, config.num_classes),
      head_dist_(config.embed_dim, config.num_classes) {
    assign_sites(*this);
}

void Deit::visit(Visitor& v) {
    trunk_.visit(v);
    v("head", head_);
    v("head_dist", head_dist_);
}

DistilledClassifier::Heads Deit::heads(const Tensor& images, const Pass& pass) const {
    const Tensor tokens = trunk_.forward(images, pass);
    return {head_.forward(token_of(tokens, 0)), head_dist_.forward(token_of(tokens, 1))};
}

std::int64_t Deit::macs() const {
    return vit_trunk_macs(config_, true) + 2 * config_.embed_dim * config_.num_classes;
}

Tensor Deit::fitted(const std::string& name, const Tensor& value) const {
    return name == "pos_embed" ? trunk_.embed.fit_positions(value) : value;
}

MyDeit::MyDeit(const VitConfig& config)
    : config_(config), trunk_(config, true), classifier_(config),
      head_dist_(config.embed_dim, config.num_classes) {
    assign_sites(*this);
}

void MyDeit::visit(Visitor& v) {
    trunk_.visit(v);
    v("classifier", classifier_);
    v("head_dist", head_dist_);
}

DistilledClassifier::Heads MyDeit::heads(const Tensor& images, const Pass& pass) const {
    const Tensor tokens = trunk_.forward(images, pass);
    return {classifier_.forward(token_of(tokens, 0)), head_dist_.forward(token_of(tokens, 1))};
}

std::int64_t MyDeit::macs() const {
    return vit_trunk_macs(config_, true) + classifier_.macs() +
           config_.embed_dim * config_.num_classes;
}

Tensor MyDeit::fitted(const std::string& name, const Tensor& value) const {
    return name == "embedding.pos_embedding" ? trunk_.embedding.fit_positions(value) : value;
}

std::unique_ptr<Classifier> make_deit(const std::string& name, const ModelOptions& options) {
    return std::make_unique<Deit>(with_options(*vit_preset(name), options));
}

std::unique_ptr<Classifier> make_mydeit(const std::string& name, const ModelOptions& options) {
    return std::make_unique<MyDeit>(with_options(*student_vit_preset(name), options));
}

}  // namespace fovea
