#include "apps/common/trained_run.h"

#include <filesystem>

#include "apps/common/model_card.h"
#include "core/error.h"
#include "models/weights.h"

namespace fovea::apps {

TrainedRun open_trained_run(const std::string& folder, const std::string& device,
                            std::int64_t threads) {
    RunFolder run = RunFolder::open(folder);
    if (!std::filesystem::exists(run.model_file()))
        throw Error("K18", "the run has no final weights yet: " + run.model_file().string(), folder,
                    "finish it with --resume " + folder);
    RecipeRequest request;
    request.recipe = run.config_file().string();
    Config config = resolve(request);
    config.set("train.device", device, "--device");
    use_threads(threads > 0 ? threads : config.get<std::int64_t>("train.threads"));
    TrainedRun out{run, config, new_model(config), class_names_of_card(run.path() / "config.json")};
    load_weights(*out.model, run.model_file().string());
    move_to(*out.model, device_of(device), DType::F32);
    return out;
}

}  // namespace fovea::apps
