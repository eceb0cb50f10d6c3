// Golden files of training/: some optimizer steps end to end.
#include <set>

#include "core/ops/loss.h"
#include "core/tape.h"
#include "optim/clip.h"
#include "optim/ema.h"
#include "tests/parity/cases.h"
#include "tests/parity/model_builder.h"
#include "tests/parity/optimizer_builder.h"

namespace fovea::parity {
namespace {

// fp32: parameters relative 1e-4. What Adam does to gradients that are zero but for rounding (key biases)
// is noise of the size lr * steps, and is bounded by that.
void check_parameters(const char* what, const Json& probes,
                      const std::vector<NamedParameter>& parameters, const Classifier& model,
                      const std::function<Tensor(std::size_t)>& value, double relative,
                      double noise, const std::set<std::string>& noisy, Checker& check) {
    std::map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < parameters.size(); ++i) index[parameters[i].name] = i;
    for (const auto& [name, probe] : probes.items()) {
        const auto found = index.find(model.own_name(name));
        if (found == index.end()) continue;  // a buffer of the average: compared by the caller
        const Tensor now =
            to_checkpoint_layout(value(found->second), parameters[found->second].parameter->layout);
        const std::vector<double> values = now.to_vector();
        if (noisy.count(found->first) != 0) {
            const std::size_t n = values.size();
            check.values(std::string(what) + " (noise) " + name,
                         {values[0], values[n / 3], values[2 * n / 3], values[n - 1]},
                         {probe[1], probe[2], probe[3], probe[4]}, noise, true);
        } else {
            check.probe(std::string(what) + " " + name, values, probe.get<std::vector<double>>(),
                        relative);
        }
    }
}

}  // namespace

bool check_training(const Json& file, const Target& target, Checker& check) {
    const std::unique_ptr<Classifier> model = build_model(file.at("family"), file.at("model"));
    const Json& args = file.at("args");
    if (!model) return false;
    require_only(args, {"optimizer", "lr_of_step", "steps", "loss", "clip_grad_norm", "ema_decay",
                        "images", "labels_of_step", "eval_input"});
    const Json& loss_args = mean_cross_entropy(args.at("loss"));
    fill_by_formula(*model, file, target, check);

    ParamStore store(*model);
    const Json& optimizer_args = args.at("optimizer").at("args");
    const std::unique_ptr<Optimizer> optimizer =
        build_optimizer(args.at("optimizer").at("op"), optimizer_args, store);
    if (!optimizer) return false;
    std::set<std::string> decayed;
    for (const Json& name : file.at("weight_decay_on")) decayed.insert(model->own_name(name));
    for (std::size_t i = 0; i < store.parameters().size(); ++i) {
        const NamedParameter& p = store.parameters()[i];
        const bool decays = decayed.count(p.name) != 0;
        store.segment(i).weight_decay =
            decays ? optimizer_args.at("weight_decay").get<double>() : 0.0;
        check.require("the no-decay rule agrees on " + p.name,
                      decays == (p.parameter->value.rank() > 1 && !p.parameter->no_decay));
    }
    std::unique_ptr<Ema> ema;
    if (!args.at("ema_decay").is_null())
        ema = std::make_unique<Ema>(*model, store, args.at("ema_decay").get<double>(), false);

    const int steps = args.at("steps");
    double lr_sum = 0.0;
    std::set<std::string> noisy;  // gradients that are rounding errors only, on every step
    std::vector<double> losses, norms;
    for (int step = 1; step <= steps; ++step) {
        const Json& list = args.at("labels_of_step")[static_cast<std::size_t>(step - 1)];
        const Tensor labels = labels_from(list, target);
        store.zero_gradients();
        Pass pass;
        pass.training = true;
        pass.step = static_cast<std::uint32_t>(step - 1);
        Tape tape;
        const Tensor logits =
            model->forward(to_nhwc(described(args.at("images"), target, step)), pass);
        const Tensor loss = ops::cross_entropy(logits, labels, loss_args.at("smoothing"));
        losses.push_back(loss.item());
        tape.backward(loss);
        for (std::size_t i = 0; i < store.parameters().size(); ++i) {
            double largest = 0.0;
            for (const double g : store.slice_of(store.gradients(), i).to_vector())
                largest = std::max(largest, std::abs(g));
            if (largest < 1e-6) noisy.insert(store.parameters()[i].name);
        }
        double factor = 1.0;
        if (!args.at("clip_grad_norm").is_null()) {
            norms.push_back(store.gradient_norm());
            factor = clip_factor(norms.back(), args.at("clip_grad_norm").get<double>());
        }
        const double lr = args.at("lr_of_step")[static_cast<std::size_t>(step - 1)];
        lr_sum += lr;
        optimizer->step(store, lr, factor);
        if (ema) ema->update();
    }

    const double loss_tolerance = target.exact() ? 1e-8 : 2e-5,
                 relative = target.exact() ? 1e-8 : 1e-4;
    check.values("losses", losses, numbers_from(file.at("loss_of_step")), loss_tolerance);
    if (!norms.empty())
        check.values("gradient norms", norms, numbers_from(file.at("grad_norm_of_step")),
                     target.exact() ? 1e-8 : 1e-4);
    check_parameters(
        "parameter", file.at("params_after"), store.parameters(), *model,
        [&](std::size_t i) { return store.parameters()[i].parameter->value; }, relative,
        2.0 * lr_sum, noisy, check);
    std::map<std::string, Tensor> buffers;
    for (const NamedBuffer& b : buffers_of(*model)) buffers[b.name] = b.buffer->value;
    if (file.contains("bn_after") && !file.at("bn_after").is_null())
        for (const auto& [name, probe] : file.at("bn_after").items())
            check.probe("buffer " + name, buffers.at(model->own_name(name)).to_vector(),
                        probe.get<std::vector<double>>(), target.exact() ? 1e-8 : 1e-3);
    if (ema)
        check_parameters(
            "average of", file.at("ema_after"), store.parameters(), *model,
            [&](std::size_t i) { return store.slice_of(ema->values(), i); }, relative, 2.0 * lr_sum,
            noisy, check);
    const Tensor eval_logits =
        model->forward(to_nhwc(described(args.at("eval_input"), target)), Pass{});
    const double bound =
        target.exact()
            ? 1e-8
            : std::max(2e-5, 64.0 * file.at("float32").value("eval_logits_max_dev", 0.0));
    check.values("eval logits afterwards", eval_logits.to_vector(),
                 numbers_from(file.at("eval_logits_after on input")), bound);
    return true;
}

}  // namespace fovea::parity
