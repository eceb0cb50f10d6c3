// Writes a trained model for other programs: weights under their names, and a config.json.
#include <cstdio>
#include <filesystem>

#include "apps/common/flags.h"
#include "apps/common/foreign_config.h"
#include "apps/common/run_app.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"
#include "models/weight_names.h"
#include "models/weights.h"

namespace {

using namespace fovea;
using namespace fovea::apps;
namespace fs = std::filesystem;

/// --out names the weights' file, or a folder for both files.
struct Destination {
    fs::path weights, config;
};

Destination destination_of(const std::string& out) {
    const bool file = out.ends_with(".safetensors");
    const fs::path folder = file ? fs::path(out).parent_path() : fs::path(out);
    std::error_code failed;
    if (!folder.empty()) fs::create_directories(folder, failed);
    if (failed) throw file_error(failed.value(), "create", folder.string());
    return {file ? fs::path(out) : folder / "model.safetensors", folder / "config.json"};
}

/// Weights in safetensors, with one of the styles of models/weight_names.h.
int export_safetensors(const Flags& flags, const std::string& style) {
    const std::string& run = flags.one("RUN");
    const TrainedRun trained = open_trained_run(run, "cpu", flags.threads);
    style_called(*trained.model, style);  // before anything is written
    const std::string config = foreign_config(trained, style);
    const std::string out =
        flags.out.empty() ? (trained.run.path() / ("export_" + style)).string() : flags.out;
    const Destination to = destination_of(out);
    // A folder that holds a run keeps the run's own files.
    if (fs::exists(to.weights) && fs::equivalent(to.weights, trained.run.model_file()))
        throw Error("C12", "the export would replace the run's own weights", out, "another --out");
    export_weights(*trained.model, style, to.weights.string(), {{"format", "pt"}});
    write_text_atomically(to.config.string(), config);
    if (flags.quiet) return 0;
    std::printf("wrote %s and %s\n", to.weights.c_str(), to.config.c_str());
    if (const std::string note = export_note(*trained.model, style); !note.empty())
        std::printf("note: %s\n", note.c_str());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return run_app([&] {
        AppSpec app;
        app.name = "export";
        app.summary = "Write a trained model's weights under the names that other programs use.";
        app.positionals = {{"RUN", "run folder of a train_* program", Arity::One}};
        app.own_flags = {{"--format", "safetensors|timm|torchvision|hf|microsoft|study",
                          "whose names; safetensors: Fovea's own", "safetensors"}};
        app.examples = {"export runs/1122-1423_cvt_28_s42 --format hf --out cvt_hf",
                        "export RUN --format timm --out weights.safetensors"};
        const std::optional<Flags> flags = parse_flags(argc, argv, app);
        return flags ? export_safetensors(*flags, flags->text("--format")) : 0;
    });
}
