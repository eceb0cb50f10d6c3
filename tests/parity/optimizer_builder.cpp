#include "tests/parity/optimizer_builder.h"

namespace fovea::parity {

std::unique_ptr<Optimizer> build_optimizer(const std::string& op, const Json& args, const ParamStore& store) {
    if (op == "adam" || op == "adamw") {
        AdamOptions options;
        options.beta1 = args.at("betas")[0];
        options.beta2 = args.at("betas")[1];
        options.eps = args.at("eps");
        options.decoupled = op == "adamw";
        options.amsgrad = args.at("amsgrad");
        return std::make_unique<Adam>(store, options);
    }
    if (op == "sgd") {
        SgdOptions options;
        options.momentum = args.at("momentum");
        options.dampening = args.at("dampening");
        options.nesterov = args.at("nesterov");
        return std::make_unique<Sgd>(store, options);
    }
    return nullptr;
}

}  // namespace fovea::parity
