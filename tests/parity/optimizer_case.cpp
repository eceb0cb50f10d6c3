// Golden files of optim/: trajectories of cross_entropy(tanh(x w1^T + b1) w2^T), the same batch at each
// step, with clipping and averaged weights.
#include <limits>

#include "core/ops/loss.h"
#include "core/ops/matmul.h"
#include "core/tape.h"
#include "optim/clip.h"
#include "optim/ema.h"
#include "tests/parity/cases.h"
#include "tests/parity/optimizer_builder.h"

namespace fovea::parity {
namespace {

struct TwoLayers : Module {
    Parameter w1, b1, w2;

    void visit(Visitor& v) override {
        v("w1", w1);
        v("b1", b1);
        v("w2", w2);
    }
    Tensor forward(const Tensor& x) const {
        return ops::linear(ops::linear(x, w1, b1, Unary::Tanh), w2, Tensor());
    }
};

/// {"kind": "norm" or "value", "norm": number, "inf" or null, "max"}, or null.
class Clipping {
public:
    explicit Clipping(const Json& clip) {
        if (clip.is_null()) return;
        require_only(clip, {"kind", "norm", "max"});
        kind_ = choose<Kind>(clip.at("kind"), {{"norm", Kind::Norm}, {"value", Kind::Value}});
        max_ = clip.at("max");
        if (kind_ == Kind::Value) return;
        const Json& order = clip.at("norm");
        if (order == "inf")
            order_ = std::numeric_limits<double>::infinity();
        else if (order.is_number() && order.get<double>() > 0.0)
            order_ = order;
        else
            throw Unsupported("norm " + order.dump());
    }

    /// Clips by value, or returns the factor for the gradients and notes their norm.
    double apply(const ParamStore& store) {
        if (kind_ == Kind::Value) clip_gradient_values(store, max_);
        if (kind_ != Kind::Norm) return 1.0;
        norms_.push_back(gradient_norm(store, order_));
        return clip_factor(norms_.back(), max_);
    }
    const std::vector<double>& norms() const { return norms_; }

private:
    enum class Kind : unsigned char { None, Norm, Value };
    Kind kind_ = Kind::None;
    double max_ = 0.0, order_ = 2.0;
    std::vector<double> norms_;
};

// [w1, b1, w2] of an arena against the file's three lists, if it lists this step.
void check_arena(const Json& file, const std::string& key, int step, const ParamStore& store,
                 const Tensor& arena, double tolerance, Checker& check) {
    const Json& lists = part_of(part_of(file, key), std::to_string(step));
    if (lists.empty()) return;
    for (std::size_t i = 0; i < store.parameters().size(); ++i)
        check.values(key + " " + std::to_string(step) + " " + store.parameters()[i].name,
                     store.slice_of(arena, i).to_vector(), numbers_from(lists.at(i)), tolerance);
}

}  // namespace

bool check_optimizer(const Json& file, const Target& target, Checker& check) {
    const std::string params_key = "params_after_step [w1, b1, w2]",
                      ema_key = "ema_after_step [w1, b1, w2]";
    const Json &args = file.at("args"), &inputs = file.at("inputs");
    require_only(inputs, {"x", "w1", "b1", "w2"});
    TwoLayers model;
    model.w1.value = described(inputs.at("w1"), target);
    model.b1.value = described(inputs.at("b1"), target);
    model.w2.value = described(inputs.at("w2"), target);
    ParamStoreOptions options;
    options.weight_decay = args.at("weight_decay");
    options.decay_all = true;  // torch.optim: biases too
    ParamStore store(model, options);
    const std::unique_ptr<Optimizer> optimizer = build_optimizer(file.at("op"), args, store);
    if (!optimizer) return false;
    Clipping clipping(file.at("clip"));
    std::unique_ptr<Ema> ema;
    if (!file.at("ema_decay").is_null())
        ema = std::make_unique<Ema>(model, store, file.at("ema_decay").get<double>(), false);

    const Tensor x = described(inputs.at("x"), target);
    const Tensor labels = labels_from(file.at("labels"), target);
    const double tolerance = target.exact() ? 1e-8 : 1e-5;
    const int steps = file.at("steps");
    for (const std::string& key : {params_key, ema_key})
        for (const auto& [step, lists] : part_of(file, key).items())
            check.require(key + " " + step + " is one of the steps",
                          std::stoi(step) >= 1 && std::stoi(step) <= steps);
    std::vector<double> losses;
    for (int step = 1; step <= steps; ++step) {
        store.zero_gradients();
        Tape tape;
        const Tensor loss = ops::cross_entropy(model.forward(x), labels);
        losses.push_back(loss.item());
        tape.backward(loss);
        const double factor = clipping.apply(store);
        optimizer->step(store, args.at("lr"), factor);
        check_arena(file, params_key, step, store, store.values(), tolerance, check);
        if (!ema) continue;
        ema->update();
        check_arena(file, ema_key, step, store, ema->values(), tolerance, check);
    }
    check.values("losses", losses, numbers_from(file.at("loss_before_step")), tolerance);
    if (file.contains("total_norm_before_clip"))
        check.values("norms", clipping.norms(), numbers_from(file.at("total_norm_before_clip")),
                     tolerance);
    return true;
}

}  // namespace fovea::parity
