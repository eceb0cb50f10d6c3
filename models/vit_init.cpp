// Initial weights of ViT and DeiT.
#include <cmath>

#include "layers/init.h"
#include "models/vit.h"

namespace fovea {
namespace {

// Glorot and Bengio 2010; w [out,in].
double xavier_bound(const Tensor& w) {
    return std::sqrt(6.0 / static_cast<double>(w.size(0) + w.size(1)));
}

struct Initialise : Visitor {
    std::uint64_t seed = 0;

    void normal(const std::string& name, const Tensor& t, double std) const {
        init::truncated_normal(t, std, init::site_of(seed, name));
    }
    void uniform(const std::string& name, const Tensor& t, double bound) const {
        init::uniform(t, bound, init::site_of(seed, name));
    }
    void bias(const std::string& name, const Parameter& p, double std) const {
        if (!p.value.defined()) return;
        if (std > 0.0)
            normal(name + ".bias", p, std);
        else
            p.value.fill(0.0);
    }
};

struct Timm : Initialise {
    void parameter(const std::string& name, Parameter& p) override {
        if (name == "cls_token")
            normal(name, p, 1e-6);
        else if (name == "dist_token" || name == "pos_embed")
            normal(name, p, 0.02);
    }
    void enter_module(const std::string& name, Module& m) override {
        if (auto* linear = dynamic_cast<Linear*>(&m)) {
            normal(name + ".weight", linear->weight, 0.02);
            bias(name, linear->bias, 0.0);
        } else if (auto* conv = dynamic_cast<Conv2d*>(&m)) {
            const double bound = init::default_bound(conv->weight);
            uniform(name + ".weight", conv->weight, bound);
            uniform(name + ".bias", conv->bias, bound);
        }
    }
};

struct Torchvision : Initialise {
    void parameter(const std::string& name, Parameter& p) override {
        if (name == "cls_token")
            p.value.fill(0.0);
        else if (name == "dist_token" || name == "pos_embed")
            normal(name, p, 0.02);
    }
    void enter_module(const std::string& name, Module& m) override {
        if (auto* conv = dynamic_cast<Conv2d*>(&m)) {
            normal(name + ".weight", conv->weight, init::default_bound(conv->weight));
            bias(name, conv->bias, 0.0);
        } else if (auto* linear = dynamic_cast<Linear*>(&m)) {
            const Tensor& weight = linear->weight;
            if (name.starts_with("head"))
                weight.fill(0.0);
            else if (name.starts_with("pre_logits"))
                normal(name + ".weight", weight, init::default_bound(weight));
            else if (name.ends_with("attn.proj"))
                uniform(name + ".weight", weight, init::default_bound(weight));
            else
                uniform(name + ".weight", weight, xavier_bound(weight));
            bias(name, linear->bias, name.find(".mlp.") == std::string::npos ? 0.0 : 1e-6);
        }
    }
};

}  // namespace

void initialise_vit(Module& model, VitInit init, std::uint64_t seed) {
    const auto run = [&](Initialise&& rule) {
        rule.seed = seed;
        model.visit(rule);
    };
    if (init == VitInit::Timm)
        run(Timm());
    else
        run(Torchvision());
}

}  // namespace fovea
