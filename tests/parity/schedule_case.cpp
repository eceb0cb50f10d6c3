// Golden file of learning-rate schedules: element e of a list is the rate of epoch e * every.
#include <functional>
#include <numeric>

#include "optim/schedule.h"
#include "tests/parity/cases.h"

namespace fovea::parity {
namespace {

using Rate = std::function<double(std::int64_t epoch)>;

Warmup warmup_from(const Json& args) {
    return {args.at("warmup_t"), args.at("warmup_lr_init"), args.at("warmup_prefix")};
}

Rate timm_cosine(const Json& args, const Json&) {
    require_only(args, {"lr", "t_initial", "lr_min", "cycle_mul", "cycle_decay", "cycle_limit",
                        "warmup_t", "warmup_lr_init", "warmup_prefix", "epochs", "every"});
    const CosineCycles schedule{
        args.at("lr"),          args.at("lr_min"),      args.at("t_initial"), args.at("cycle_mul"),
        args.at("cycle_decay"), args.at("cycle_limit"), warmup_from(args)};
    return [schedule](std::int64_t epoch) { return schedule.at(epoch); };
}

Rate timm_step(const Json& args, const Json&) {
    require_only(args, {"lr", "decay_t", "decay_rate", "warmup_t", "warmup_lr_init",
                        "warmup_prefix", "epochs", "every"});
    if (!args.at("decay_t").is_number()) throw Unsupported("decay_t");
    const StepDecay schedule{args.at("lr"), args.at("decay_rate"), args.at("decay_t"),
                             warmup_from(args)};
    return [schedule](std::int64_t epoch) { return schedule.at(epoch); };
}

Rate torch_step(const Json& args, const Json&) {
    require_only(args, {"lr", "step_size", "gamma", "epochs", "every"});
    const StepDecay schedule{args.at("lr"), args.at("gamma"), args.at("step_size"), {}};
    return [schedule](std::int64_t epoch) { return schedule.at(epoch); };
}

Rate torch_multi_step(const Json& args, const Json&) {
    require_only(args, {"lr", "milestones", "gamma", "epochs", "every"});
    const MilestoneDecay schedule{args.at("lr"), args.at("gamma"), args.at("milestones")};
    return [schedule](std::int64_t epoch) { return schedule.at(epoch); };
}

Rate torch_cosine(const Json& args, const Json&) {
    require_only(args, {"lr", "T_max", "eta_min", "epochs", "every"});
    const CosineWave schedule{args.at("lr"), args.at("eta_min"), args.at("T_max")};
    return [schedule](std::int64_t epoch) { return schedule.at(epoch); };
}

Rate torch_plateau(const Json& args, const Json& file) {
    require_only(args,
                 {"lr", "mode", "factor", "patience", "threshold", "threshold_mode", "cooldown",
                  "min_lr", "eps", "metric_key", "metric_transform", "epochs", "every"});
    Plateau plateau;
    plateau.maximise = choose<bool>(args.at("mode"), {{"min", false}, {"max", true}});
    plateau.factor = args.at("factor");
    plateau.patience = args.at("patience");
    plateau.threshold = args.at("threshold");
    plateau.relative = choose<bool>(args.at("threshold_mode"), {{"rel", true}, {"abs", false}});
    plateau.cooldown = args.at("cooldown");
    plateau.min_lr = args.at("min_lr");
    plateau.min_change = args.at("eps");
    plateau.state.lr = args.at("lr");
    const bool one_minus =
        choose<bool>(args.at("metric_transform"), {{"identity", false}, {"one_minus", true}});
    const std::vector<double> metric =
        numbers_from(file.at(args.at("metric_key").get<std::string>()));
    std::vector<double> rates = {plateau.state.lr};
    for (const double m : metric) rates.push_back(plateau.report(one_minus ? 1.0 - m : m));
    return [rates](std::int64_t epoch) { return rates.at(static_cast<std::size_t>(epoch)); };
}

Rate rate_from(const Json& c, const Json& file) {
    using Make = Rate (*)(const Json&, const Json&);
    return choose<Make>(c.at("op"), {{"timm_cosine", timm_cosine},
                                     {"timm_step", timm_step},
                                     {"torch_step", torch_step},
                                     {"torch_multi_step", torch_multi_step},
                                     {"torch_cosine", torch_cosine},
                                     {"torch_plateau", torch_plateau}})(c.at("args"), file);
}

}  // namespace

bool check_schedules(const Json& file, Checker& check) {
    require_only(file.at("args"), {});
    check.require("a case for each list", file.at("cases").size() == file.at("schedules").size());
    for (const Json& c : file.at("cases")) {
        const Rate rate = rate_from(c, file);
        const std::int64_t epochs = c.at("args").at("epochs"), every = c.at("args").at("every");
        std::vector<double> rates;
        for (std::int64_t epoch = 0; epoch < epochs; epoch += every) rates.push_back(rate(epoch));
        // Rates are small numbers: their nine digits are compared as multiples of the list's largest.
        const std::string key = c.at("key");
        std::vector<double> expected = numbers_from(file.at("schedules").at(key));
        const double unit =
            std::accumulate(expected.begin(), expected.end(), 1e-300,
                            [](double a, double b) { return std::max(a, std::abs(b)); });
        for (std::vector<double>* list : {&rates, &expected})
            for (double& value : *list) value /= unit;
        check.values(key, rates, expected, 1e-8);
    }
    return true;
}

}  // namespace fovea::parity
