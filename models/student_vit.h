// StudentVit: the small ViT of the Fashion-MNIST study (s-chh/PyTorch-Scratch-Vision-Transformer-ViT), with
// its parameter names.
//
// It differs from ViT in separate projections for queries, keys and values, dropout behind attention
// and the MLP only (none between the MLP's layers), and a class head of two layers with tanh between.
#pragma once

#include "models/vit.h"

namespace fovea {

/// Attention with a Linear each for queries, keys and values. x [B,T,width]; scale (width / heads)^-0.5.
struct StudentAttention : Module {
    Linear queries, keys, values, out_projection;
    std::int64_t heads = 1;
    double scale = 1.0;

    StudentAttention(std::int64_t width, std::int64_t head_count, bool qkv_bias);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x) const;
};

/// x += attention(norm1(x)); x += fc2(f(fc1(norm2(x)))), each branch under dropout (and drop-path,
/// which the study does not use). x [B,T,width].
struct StudentBlock : Module {
    LayerNorm norm1, norm2;
    StudentAttention attention;
    Linear fc1, fc2;
    Dropout dropout1, dropout2;
    DropPath drop_path1, drop_path2;
    Unary activation = Unary::GeluErf;

    StudentBlock(const VitConfig& c, double drop_path_rate);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x, const Pass& pass) const;
};

/// Everything but the heads, as VitTrunk: images [B,H,W,C] -> [B,1 or 2,embed_dim].
struct StudentTrunk : Module {
    TokenEmbedding embedding;
    std::vector<StudentBlock> encoder;
    LayerNorm norm;

    StudentTrunk(const VitConfig& config, bool distilled);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& images, const Pass& pass) const;
};

/// fc2(tanh(fc1(x))), where fc1 is VitConfig::representation_size wide; without fc1, where that is 0, one
/// linear layer. x [B,embed_dim] -> [B,classes].
struct StudentHead : Module {
    Linear fc1, fc2;
    bool deep = true;  ///< has fc1

    explicit StudentHead(const VitConfig& c);
    void visit(Visitor& v) override;
    Tensor forward(const Tensor& x) const;
    std::int64_t macs() const;
    /// Of the layer whose outputs are the classes, in a model that calls this head "classifier".
    std::string last_layer() const { return deep ? "classifier.fc2" : "classifier"; }
};

/// Weights, tokens and positions normal 0.02, biases 0.
void initialise_student(Module& model, std::uint64_t seed);

class StudentVit : public Classifier {
public:
    explicit StudentVit(const VitConfig& config);

    void visit(Visitor& v) override;
    Tensor forward(const Tensor& images, const Pass& pass) const override;
    void initialise(std::uint64_t seed) override { initialise_student(*this, seed); }
    Shape input_shape() const override { return image_shape(config_); }
    std::int64_t classes() const override { return config_.num_classes; }
    std::int64_t macs() const override;
    std::vector<std::string> head_names() const override { return {classifier_.last_layer()}; }
    std::string explain_layer() const override { return last_norm(config_, "encoder"); }
    std::vector<NameStyle> name_styles() const override { return {own_style("study")}; }
    /// Resamples position embeddings of another image size.
    Tensor fitted(const std::string& name, const Tensor& value) const override;

private:
    VitConfig config_;
    StudentTrunk trunk_;
    StudentHead classifier_;
};

/// Named configurations, of StudentVit and (names that begin with "mydeit") of MyDeit; nothing for another
/// name. vit_fmnist and mydeit: class and distillation tokens have positions (50 and 51 rows), as the
/// study and the repository before July 2024; vit_fmnist_49 and mydeit_49: patches only, as the
/// repository since. vit_cifar: its CIFAR configuration. student_vit_test, mydeit_test: for tests.
std::optional<VitConfig> student_vit_preset(std::string_view name);

/// For the registry. `name` has a preset.
std::unique_ptr<Classifier> make_student_vit(const std::string& name, const ModelOptions& options);

}  // namespace fovea
