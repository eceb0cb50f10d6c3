#include "tests/parity/cases.h"

#include <map>

namespace fovea::parity {
namespace {

using Check = bool (*)(const Json&, const Target&, Checker&);

bool counts(const Json& file, const Target&, Checker& check) {
    return check_parameter_counts(file, check);
}
bool schedules(const Json& file, const Target&, Checker& check) {
    return check_schedules(file, check);
}

Check check_for(const std::string& op) {
    static const std::map<std::string, Check> checks = {
        {"model", check_model},        {"param_counts", counts},
        {"key_maps", check_key_maps},  {"train", check_training},
        {"cross_entropy", check_loss}, {"mixup_cross_entropy", check_loss},
        {"mixup_images", check_loss},  {"cutmix_images", check_loss},
        {"distillation", check_loss},  {"sgd", check_optimizer},
        {"adam", check_optimizer},     {"adamw", check_optimizer},
        {"rmsprop", check_optimizer},  {"radam", check_optimizer},
        {"schedules", schedules},
    };
    const auto found = checks.find(op);
    return found == checks.end() ? check_layer : found->second;  // layers have an op each
}

}  // namespace

bool check_file(const Json& file, const Target& target, Checker& check) {
    try {
        return check_for(file.value("op", ""))(file, target, check);
    } catch (const Unsupported&) {
        return false;
    }
}

}  // namespace fovea::parity
