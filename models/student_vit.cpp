#include "models/student_vit.h"

#include <cmath>

#include "core/ops/attention.h"
#include "core/ops/shape_ops.h"
#include "layers/init.h"
#include "layers/mlp.h"

namespace fovea {

StudentAttention::StudentAttention(std::int64_t width, std::int64_t head_count, bool qkv_bias)
    : queries(width, width, qkv_bias), keys(width, width, qkv_bias), values(width, width, qkv_bias),
      out_projection(width, width), heads(head_count),
      scale(std::sqrt(static_cast<double>(head_count) / static_cast<double>(width))) {}

void StudentAttention::visit(Visitor& v) {
    v("queries", queries);
    v("keys", keys);
    v("values", values);
    v("out_projection", out_projection);
}

Tensor StudentAttention::forward(const Tensor& x) const {
    const Shape split = {x.size(0), x.size(1), heads, x.size(2) / heads};
    const Tensor q = ops::reshape(queries.forward(x), split);
    const Tensor k = ops::reshape(keys.forward(x), split);
    const Tensor v = ops::reshape(values.forward(x), split);
    return out_projection.forward(ops::reshape(ops::attention(q, k, v, scale), x.shape()));
}

StudentBlock::StudentBlock(const VitConfig& c, double drop_path_rate)
    : norm1(c.embed_dim, c.ln_eps), norm2(c.embed_dim, c.ln_eps),
      attention(c.embed_dim, c.num_heads, c.qkv_bias), fc1(c.embed_dim, c.mlp_hidden),
      fc2(c.mlp_hidden, c.embed_dim), dropout1(c.dropout), dropout2(c.dropout),
      drop_path1(drop_path_rate), drop_path2(drop_path_rate), activation(c.activation) {}

void StudentBlock::visit(Visitor& v) {
    v("norm1", norm1);
    v("attention", attention);
    v("dropout1", dropout1);
    v("drop_path1", drop_path1);
    v("norm2", norm2);
    v("fc1", fc1);
    v("fc2", fc2);
    v("dropout2", dropout2);
    v("drop_path2", drop_path2);
}

Tensor StudentBlock::forward(const Tensor& x, const Pass& pass) const {
    const Tensor mixed = dropout1.forward(attention.forward(norm1.forward(x)), pass);
    const Tensor attended = drop_path1.add(x, mixed, pass);
    const Tensor mlp = perceptron(fc1, fc2, norm2.forward(attended), activation);
    return drop_path2.add(attended, dropout2.forward(mlp, pass), pass);
}

StudentTrunk::StudentTrunk(const VitConfig& c, bool distilled)
    : embedding(token_embedding_of(c, distilled)), norm(c.embed_dim, c.ln_eps) {
    for (std::int64_t i = 0; i < c.depth; ++i)
        encoder.emplace_back(c, rising_rate(c.drop_path, i, c.depth));
}

void StudentTrunk::visit(Visitor& v) {
    v("embedding.cls_token", embedding.cls_token);
    v("embedding.dist_token", embedding.dist_token);
    v("embedding.pos_embedding", embedding.positions);
    v("embedding.conv1", embedding.proj);
    v("embedding.dropout", embedding.drop);
    v("encoder", encoder);
    v("norm", norm);
}

Tensor StudentTrunk::forward(const Tensor& images, const Pass& pass) const {
    Tensor x = embedding.forward(images, pass);
    for (const StudentBlock& block : encoder) x = block.forward(x, pass);
    // The heads read these tokens only, so no other needs the norm.
    return norm.forward(ops::contiguous(ops::slice(x, 1, 0, embedding.prefix())));
}

StudentHead::StudentHead(const VitConfig& c) : deep(c.representation_size > 0) {
    if (deep) fc1 = Linear(c.embed_dim, c.representation_size);
    fc2 = Linear(deep ? c.representation_size : c.embed_dim, c.num_classes);
}

void StudentHead::visit(Visitor& v) {
    if (deep) {
        v("fc1", fc1);
        v("fc2", fc2);
    } else {
        fc2.visit(v);  // its parameters are the head's own
    }
}

Tensor StudentHead::forward(const Tensor& x) const {
    return fc2.forward(deep ? fc1.forward(x, Unary::Tanh) : x);
}

std::int64_t StudentHead::macs() const {
    return (deep ? fc1.weight.value.numel() : 0) + fc2.weight.value.numel();
}

StudentVit::StudentVit(const VitConfig& config)
    : config_(config), trunk_(config, false), classifier_(config) {
    assign_sites(*this);
}

void StudentVit::visit(Visitor& v) {
    trunk_.visit(v);
    v("classifier", classifier_);
}

Tensor StudentVit::forward(const Tensor& images, const Pass& pass) const {
    return classifier_.forward(token_of(trunk_.forward(images, pass), 0));
}

std::int64_t StudentVit::macs() const {
    return vit_trunk_macs(config_, false) + classifier_.macs();
}

Tensor StudentVit::fitted(const std::string& name, const Tensor& value) const {
    return name == "embedding.pos_embedding" ? trunk_.embedding.fit_positions(value) : value;
}

void initialise_student(Module& model, std::uint64_t seed) {
    for (const NamedParameter& p : parameters_of(model)) {
        if (p.name.find("norm") != std::string::npos) continue;  // one and zero from the start
        const Tensor& value = p.parameter->value;
        if (value.rank() == 1)
            value.fill(0.0);
        else
            init::truncated_normal(value, 0.02, init::site_of(seed, p.name));
    }
}

std::optional<VitConfig> student_vit_preset(std::string_view name) {
    VitConfig c;  // of the study
    c.num_classes = 10;
    c.in_channels = 1;
    c.image_size = {28, 28};
    c.patch_size = {4, 4};
    c.embed_dim = 64;
    c.depth = 6;
    c.num_heads = 4;
    c.mlp_hidden = 128;
    c.representation_size = c.embed_dim;
    c.ln_eps = 1e-5;
    c.dropout = 0.1;
    if (name == "vit_fmnist" || name == "mydeit") return c;
    if (name == "student_vit_test" || name == "mydeit_test") {
        c.image_size = {12, 12};
        c.embed_dim = c.representation_size = 16;
        c.depth = c.num_heads = 2;
        c.mlp_hidden = 32;
        return c;
    }
    c.token_positions = false;
    if (name == "vit_fmnist_49" || name == "mydeit_49") return c;
    if (name == "vit_cifar") {
        c.in_channels = 3;
        c.image_size = {32, 32};
        c.embed_dim = c.representation_size = 128;
        c.mlp_hidden = 256;
        return c;
    }
    return std::nullopt;
}

std::unique_ptr<Classifier> make_student_vit(const std::string& name, const ModelOptions& options) {
    return std::make_unique<StudentVit>(with_options(*student_vit_preset(name), options));
}

}  // namespace fovea
