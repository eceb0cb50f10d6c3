// DeiT: ViT with a distillation token (Touvron et al., "Training data-efficient image transformers &
// distillation through attention", ICML 2021). Without that token a DeiT is a Vit.
#pragma once

#include "models/student_vit.h"
#include "models/vit.h"

namespace fovea {

/// A classifier with a second head, which learns from a teacher. For training with the losses of
/// core/ops/distillation.h:
///
///     const DistilledClassifier::Heads logits = student.heads(images, pass);
///     const Tensor loss = ops::distillation_loss(logits.labels, logits.teacher,
///                                                teacher.forward(images, {}), labels, params);
class DistilledClassifier : public Classifier {
public:
    struct Heads {
        Tensor labels;   ///< logits [B,classes] of the class head, which learns from the labels
        Tensor teacher;  ///< logits [B,classes] of the distillation head
    };

    virtual Heads heads(const Tensor& images, const Pass& pass) const = 0;

    /// For inference: the mean of both heads' logits, [B,classes].
    Tensor forward(const Tensor& images, const Pass& pass) const override;
};

/// A ViT with a distillation token behind the class token and a linear head for each, under timm's names.
class Deit : public DistilledClassifier {
public:
    explicit Deit(const VitConfig& config);

    void visit(Visitor& v) override;
    Heads heads(const Tensor& images, const Pass& pass) const override;
    void initialise(std::uint64_t seed) override { initialise_vit(*this, config_.init, seed); }
    Shape input_shape() const override { return image_shape(config_); }
    std::int64_t classes() const override { return config_.num_classes; }
    std::int64_t macs() const override;
    std::vector<std::string> head_names() const override { return {"head", "head_dist"}; }
    std::string explain_layer() const override { return last_norm(config_, "blocks"); }
    /// timm, hf.
    std::vector<NameStyle> name_styles() const override;
    /// Resamples position embeddings of another image size.
    Tensor fitted(const std::string& name, const Tensor& value) const override;

    const VitConfig& config() const { return config_; }

private:
    VitConfig config_;
    VitTrunk trunk_;
    Linear head_, head_dist_;
};

/// The study's DeiT: a StudentVit with a distillation token and one linear layer on it.
class MyDeit : public DistilledClassifier {
public:
    explicit MyDeit(const VitConfig& config);

    void visit(Visitor& v) override;
    Heads heads(const Tensor& images, const Pass& pass) const override;
    void initialise(std::uint64_t seed) override { initialise_student(*this, seed); }
    Shape input_shape() const override { return image_shape(config_); }
    std::int64_t classes() const override { return config_.num_classes; }
    std::int64_t macs() const override;
    std::vector<std::string> head_names() const override {
        return {classifier_.last_layer(), "head_dist"};
    }
    std::string explain_layer() const override { return last_norm(config_, "encoder"); }
    std::vector<NameStyle> name_styles() const override { return {own_style("study")}; }
    /// Resamples position embeddings of another image size.
    Tensor fitted(const std::string& name, const Tensor& value) const override;

private:
    VitConfig config_;
    StudentTrunk trunk_;
    StudentHead classifier_;
    Linear head_dist_;
};

/// For the registry: Deit of a vit_preset(), MyDeit of a student_vit_preset(). `name` has one.
std::unique_ptr<Classifier> make_deit(const std::string& name, const ModelOptions& options);
std::unique_ptr<Classifier> make_mydeit(const std::string& name, const ModelOptions& options);

}  // namespace fovea
