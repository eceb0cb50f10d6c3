// Golden files of training/: some optimizer steps end to end.
#include <algorithm>
#include <set>

#include "core/tape.h"
#include "optim/clip.h"
#include "optim/ema.h"
#include "tests/parity/cases.h"
#include "tests/parity/model_builder.h"
#include "tests/parity/optimizer_builder.h"
#include "tests/parity/training_loss.h"

namespace fovea::parity {
namespace {

using Values = std::vector<double>;

// Largest gradient that each element of a parameter had, in checkpoint layout.
void keep_largest(Values& largest, const Tensor& gradient, Layout layout) {
    const Values now = to_checkpoint_layout(gradient, layout).to_vector();
    largest.resize(now.size(), 0.0);
    for (std::size_t i = 0; i < now.size(); ++i)
        largest[i] = std::max(largest[i], std::abs(now[i]));
}

// As Checker::probe, where some elements (`noisy`) may be off by `noise`.
void check_noisy_probe(const std::string& what, const Values& values, const Values& probe,
                       double relative, double noise, const std::vector<bool>& noisy,
                       Checker& check) {
    const std::size_t n = values.size();
    const double typical = probe[0] / std::sqrt(static_cast<double>(n));
    double squares = 0.0;
    for (const double v : values) squares += v * v;
    const auto count = static_cast<double>(std::count(noisy.begin(), noisy.end(), true));
    check.values(what + " (norm, with noise)", {std::sqrt(squares)}, {probe[0]},
                 relative * probe[0] + noise * std::sqrt(count), true);
    const std::size_t at[4] = {0, n / 3, 2 * n / 3, n - 1};
    for (std::size_t k = 0; k < 4; ++k) {
        const double expected = probe[k + 1];
        check.values(what + (noisy[at[k]] ? " (noise)" : "") + " at " + std::to_string(at[k]),
                     {values[at[k]]}, {expected},
                     noisy[at[k]] ? noise : relative * std::max(std::abs(expected), typical), true);
    }
}

// fp32: parameters relative 1e-4. What Adam does to gradients that are zero but for rounding (those of
// keys' biases) is noise of the size lr * steps, and is bounded by that.
void check_parameters(const char* what, const Json& probes,
                      const std::vector<NamedParameter>& parameters, const OwnNames& own_name,
                      const std::function<Tensor(std::size_t)>& value, const Target& target,
                      double noise, const std::vector<Values>& largest_gradient, Checker& check) {
    const double relative = target.exact() ? 1e-8 : 1e-4;
    std::map<std::string, std::size_t> index;
    for (std::size_t i = 0; i < parameters.size(); ++i) index[parameters[i].name] = i;
    for (const auto& [name, probe] : probes.items()) {
        const auto found = index.find(own_name.at(name));
        if (found == index.end()) continue;  // a buffer of the average: compared by the caller
        const Tensor now =
            to_checkpoint_layout(value(found->second), parameters[found->second].parameter->layout);
        const std::string title = std::string(what) + " " + name;
        std::vector<bool> noisy;
        for (const double g : largest_gradient[found->second])
            noisy.push_back(!target.exact() && g < 1e-6);
        if (std::count(noisy.begin(), noisy.end(), true) == 0)
            check.probe(title, now.to_vector(), probe.get<Values>(), relative);
        else
            check_noisy_probe(title, now.to_vector(), probe.get<Values>(), relative, noise, noisy,
                              check);
    }
}

}  // namespace

bool check_training(const Json& file, const Target& target, Checker& check) {
    const std::unique_ptr<Classifier> model = build_model(file.at("family"), file.at("model"));
    const Json& args = file.at("args");
    if (!model) return false;
    require_only(args, {"optimizer", "lr_of_step", "steps", "loss", "clip_grad_norm", "ema_decay",
                        "images", "labels_of_step", "eval_input"});
    require_loss(args.at("loss"));
    fill_by_formula(*model, file, target, check);
    const OwnNames own_name = own_names(*model, file.at("model"));

    ParamStore store(*model);
    const Json& optimizer_args = args.at("optimizer").at("args");
    const std::unique_ptr<Optimizer> optimizer =
        build_optimizer(args.at("optimizer").at("op"), optimizer_args, store);
    if (!optimizer) return false;
    std::set<std::string> decayed;
    for (const Json& name : file.at("weight_decay_on")) decayed.insert(own_name.at(name));
    for (std::size_t i = 0; i < store.parameters().size(); ++i) {
        const NamedParameter& p = store.parameters()[i];
        const bool decays = decayed.count(p.name) != 0;
        store.segment(i).weight_decay =
            decays ? optimizer_args.at("weight_decay").get<double>() : 0.0;
        // The files decay Swin's bias tables; the authors' recipe and ours do not.
        const bool ours = p.parameter->value.rank() > 1 && !p.parameter->no_decay;
        check.require("the no-decay rule agrees on " + p.name,
                      decays == ours || p.name.ends_with("relative_position_bias_table"));
    }
    std::unique_ptr<Ema> ema;
    if (!args.at("ema_decay").is_null())
        ema = std::make_unique<Ema>(*model, store, args.at("ema_decay").get<double>(), false);

    const int steps = args.at("steps");
    double lr_sum = 0.0;
    std::vector<Values> largest_gradient(store.parameters().size());
    Values losses, norms;
    for (int step = 1; step <= steps; ++step) {
        const Json& list = args.at("labels_of_step")[static_cast<std::size_t>(step - 1)];
        const Tensor labels = labels_from(list, target);
        store.zero_gradients();
        Pass pass;
        pass.training = true;
        pass.step = static_cast<std::uint32_t>(step - 1);
        Tape tape;
        const Tensor images = to_nhwc(described(args.at("images"), target, step));
        const Tensor loss =
            training_loss(*model, images, labels, args.at("loss"), target, pass, step).loss;
        losses.push_back(loss.item());
        tape.backward(loss);
        for (std::size_t i = 0; i < store.parameters().size(); ++i)
            keep_largest(largest_gradient[i], store.slice_of(store.gradients(), i),
                         store.parameters()[i].parameter->layout);
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

    check.values("losses", losses, numbers_from(file.at("loss_of_step")),
                 target.exact() ? 1e-8 : 2e-5);
    if (!norms.empty())
        check.values("gradient norms", norms, numbers_from(file.at("grad_norm_of_step")),
                     target.exact() ? 1e-8 : 1e-4);
    check_parameters(
        "parameter", file.at("params_after"), store.parameters(), own_name,
        [&](std::size_t i) { return store.parameters()[i].parameter->value; }, target, 2.0 * lr_sum,
        largest_gradient, check);
    std::map<std::string, Tensor> buffers;
    for (const NamedBuffer& b : buffers_of(*model)) buffers[b.name] = b.buffer->value;
    if (file.contains("bn_after") && !file.at("bn_after").is_null())
        for (const auto& [name, probe] : file.at("bn_after").items())
            check.probe("buffer " + name, buffers.at(own_name.at(name)).to_vector(),
                        probe.get<std::vector<double>>(), target.exact() ? 1e-8 : 1e-3);
    if (ema)
        check_parameters(
            "average of", file.at("ema_after"), store.parameters(), own_name,
            [&](std::size_t i) { return store.slice_of(ema->values(), i); }, target, 2.0 * lr_sum,
            largest_gradient, check);
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
