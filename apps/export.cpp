// Writes a trained model for other programs: weights under their names and a config.json, or an ONNX file.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/common/flags.h"
#include "apps/common/foreign_config.h"
#include "apps/common/onnx_metadata.h"
#include "apps/common/run_app.h"
#include "apps/onnx/file.h"
#include "apps/onnx/translate.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"
#include "models/weight_names.h"
#include "models/weights.h"

namespace {

using namespace fovea;
using namespace fovea::apps;
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Error C12 if `file` is one that a run keeps, this run or another: its weights, its description, or
/// anything in the sub-folders that it writes.
void leave_runs_alone(const fs::path& file) {
    std::error_code unreadable;  // then writing will say so
    const fs::path real = fs::weakly_canonical(fs::absolute(file), unreadable),
                   folder = real.parent_path();
    const auto is_run = [&](const fs::path& f) {
        return fs::is_regular_file(f / "config.toml", unreadable);
    };
    const auto any_of = [](const fs::path& path, std::initializer_list<const char*> names) {
        return std::find(names.begin(), names.end(), path.filename()) != names.end();
    };
    if ((is_run(folder) && any_of(real, {"model.safetensors", "config.json"})) ||
        (is_run(folder.parent_path()) && any_of(folder, {"checkpoints", "plots", "eval"})))
        throw Error("C12", "the export would replace a run's own " + real.filename().string(),
                    real.string(), "another --out, or none for a folder of its own in the run");
}

/// With --json the facts, else a line for people.
void report(const Flags& flags, const Json& facts, const std::string& line) {
    if (flags.json)
        std::printf("%s\n", facts.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    else if (!flags.quiet)
        std::printf("%s\n", line.c_str());
}

/// The file that --out names, or model.EXTENSION in the folder that it names; without --out in the
/// run's folder for this format. Makes the folder. Error C12 if a run keeps that file.
fs::path destination_of(const Flags& flags, const TrainedRun& trained, const char* extension) {
    const std::string& format = flags.text("--format");
    const fs::path out =
        flags.out.empty() ? trained.run.path() / ("export_" + format) : fs::path(flags.out);
    const std::string given = out.extension().string();
    if (given != extension && (given == ".onnx" || given == ".safetensors"))
        throw Error("C11", "--format " + format + " does not make " + given + " files",
                    "--out " + flags.out, "--out NAME" + std::string(extension));
    fs::path file = given == extension ? out : out / ("model" + std::string(extension));
    leave_runs_alone(file);
    std::error_code failed;
    if (file.has_parent_path()) fs::create_directories(file.parent_path(), failed);
    if (failed) throw file_error(failed.value(), "create", file.parent_path().string());
    return file;
}

/// Weights in safetensors, with one of the styles of models/weight_names.h.
int export_safetensors(const Flags& flags, const TrainedRun& trained, const std::string& style) {
    style_called(*trained.model, style);  // before anything is written
    const std::string text =
        foreign_config(*trained.model, trained.config, trained.class_names, style);
    const fs::path weights = destination_of(flags, trained, ".safetensors"),
                   config = weights.parent_path() / "config.json";
    leave_runs_alone(config);
    export_weights(*trained.model, style, weights.string(), {{"format", "pt"}});
    write_text_atomically(config.string(), text);
    const std::string note = export_note(*trained.model, style);
    report(flags,
           {{"format", style},
            {"path", weights.string()},
            {"config", config.string()},
            {"tensors", names_in_style(*trained.model, style_called(*trained.model, style)).size()},
            {"bytes", fs::file_size(weights)},
            {"note", note}},
           "wrote " + weights.string() + " and " + config.string() +
               (note.empty() ? "" : "\nnote: " + note));
    return 0;
}

/// The whole network, for runtimes that know nothing of it.
int export_onnx(const Flags& flags, const TrainedRun& trained) {
    OnnxGraph graph = onnx_graph(trained.config.get<std::string>("model.name"), *trained.model);
    graph.metadata = onnx_metadata(trained);
    const fs::path file = destination_of(flags, trained, ".onnx");
    const std::uint64_t bytes = write_onnx(graph, file.string());
    char size[100];
    std::snprintf(size, sizeof size, ": ONNX opset %d, %zu nodes, %.1f MiB", kOnnxOpset,
                  graph.nodes.size(), static_cast<double>(bytes) / (1024.0 * 1024.0));
    report(flags,
           {{"format", "onnx"},
            {"path", file.string()},
            {"opset", kOnnxOpset},
            {"nodes", graph.nodes.size()},
            {"bytes", bytes}},
           "wrote " + file.string() + size);
    return 0;
}

int export_run(const Flags& flags) {
    const TrainedRun trained = open_trained_run(flags.one("RUN"), "cpu", flags.threads);
    const std::string& format = flags.text("--format");
    return format == "onnx" ? export_onnx(flags, trained)
                            : export_safetensors(flags, trained, format);
}

}  // namespace

int main(int argc, char** argv) {
    return run_app([&] {
        AppSpec app;
        app.name = "export";
        app.computes = false;
        app.summary =
            "Write a trained model for other programs: weights under their names, or ONNX.";
        app.positionals = {{"RUN", "run folder of a train_* program", Arity::One}};
        app.own_flags = {{"--format", "safetensors|timm|torchvision|hf|microsoft|study|onnx",
                          "whose names; safetensors: Fovea's own; onnx: the network, for any batch",
                          "safetensors"}};
        app.examples = {"export runs/1122-1423_cvt_28_s42 --format hf --out cvt_hf",
                        "export RUN --format timm --out weights.safetensors",
                        "export RUN --format onnx --out model.onnx"};
        const std::optional<Flags> flags = parse_flags(argc, argv, app);
        return flags ? export_run(*flags) : 0;
    });
}
