#include "tests/parity/optimizer_builder.h"

namespace fovea::parity {

std::unique_ptr<Optimizer> build_optimizer(const std::string& op, const Json& args,
                                           const ParamStore& store) {
    if (op == "adam" || op == "adamw") {
        require_only(args, {"lr", "betas", "eps", "weight_decay", "amsgrad"});
        AdamOptions options;
        options.beta1 = args.at("betas")[0];
        options.beta2 = args.at("betas")[1];
        options.eps = args.at("eps");
        options.decoupled = op == "adamw";
        options.amsgrad = args.at("amsgrad");
        return std::make_unique<Adam>(store, options);
    }
    if (op == "sgd") {
        require_only(args, {"lr", "momentum", "dampening", "nesterov", "weight_decay"});
        SgdOptions options;
        options.momentum = args.at("momentum");
        options.dampening = args.at("dampening");
        options.nesterov = args.at("nesterov");
        return std::make_unique<Sgd>(store, options);
    }
    if (op == "rmsprop") {
        require_only(args, {"lr", "alpha", "eps", "weight_decay", "momentum", "centered"});
        RmspropOptions options;
        options.alpha = args.at("alpha");
        options.eps = args.at("eps");
        options.momentum = args.at("momentum");
        options.centered = args.at("centered");
        return std::make_unique<Rmsprop>(store, options);
    }
    if (op == "radam") {
        require_only(args, {"lr", "betas", "eps", "weight_decay"});
        RadamOptions options;
        options.beta1 = args.at("betas")[0];
        options.beta2 = args.at("betas")[1];
        options.eps = args.at("eps");
        return std::make_unique<Radam>(store, options);
    }
    return nullptr;
}

}  // namespace fovea::parity
