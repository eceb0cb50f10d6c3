// Names what a trained model sees in pictures.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/common/csv_table.h"
#include "apps/common/flags.h"
#include "apps/common/run_app.h"
#include "apps/common/trained_run.h"
#include "core/error.h"

namespace {

using namespace fovea;
using namespace fovea::apps;
namespace fs = std::filesystem;

// What the arguments name: files, all pictures below folders, and for "-" a list on standard input.
std::vector<std::string> picture_files(const std::vector<std::string>& arguments) {
    static const std::vector<std::string> extensions = {".png", ".jpg", ".jpeg",
                                                        ".bmp", ".pgm", ".ppm"};
    std::vector<std::string> files;
    for (const std::string& argument : arguments) {
        if (argument == "-") {
            for (std::string line; std::getline(std::cin, line);)
                if (!line.empty()) files.push_back(line);
        } else if (fs::is_directory(argument)) {
            std::vector<std::string> found;
            for (const auto& entry : fs::recursive_directory_iterator(argument)) {
                std::string extension = entry.path().extension().string();
                std::transform(extension.begin(), extension.end(), extension.begin(),
                               [](unsigned char c) { return std::tolower(c); });
                if (entry.is_regular_file() &&
                    std::find(extensions.begin(), extensions.end(), extension) != extensions.end())
                    found.push_back(entry.path().string());
            }
            if (found.empty())
                throw Error("D09", "no pictures below " + argument, "FILES",
                            "files that end in .png, .jpg, .bmp, .pgm or .ppm");
            std::sort(found.begin(), found.end());
            files.insert(files.end(), found.begin(), found.end());
        } else {
            files.push_back(argument);
        }
    }
    return files;
}

struct Guess {
    std::string label;
    double probability;
};

nlohmann::ordered_json json_object(const std::string& file, const std::vector<Guess>& guesses) {
    nlohmann::ordered_json top = nlohmann::ordered_json::array();
    for (const Guess& g : guesses) top.push_back({{"label", g.label}, {"prob", g.probability}});
    return {{"filename", file}, {"top", top}};
}

/// A file's name need not be UTF-8, JSON has to be.
std::string text_of(const nlohmann::ordered_json& json, int indent) {
    return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void print_text(const std::string& file, const std::vector<Guess>& guesses) {
    std::printf("%s\n", file.c_str());
    for (const Guess& g : guesses)
        std::printf("  %6.2f %%  %s\n", 100.0 * g.probability, g.label.c_str());
}

void print_csv(const std::string& file, const std::vector<Guess>& guesses) {
    std::string labels, probabilities;
    for (const Guess& g : guesses) {
        labels += (labels.empty() ? "" : "|") + g.label;
        probabilities += (probabilities.empty() ? "" : "|") + csv_number(g.probability);
    }
    std::printf("%s\n", csv_line({file, guesses[0].label, csv_number(guesses[0].probability),
                                  labels, probabilities})
                            .c_str());
}

int predict(const Flags& flags) {
    const TrainedRun trained = open_trained_run(flags.one("RUN"), flags.device, flags.threads);
    const std::vector<std::string> files = picture_files(flags.all("FILES"));
    const auto side = trained.config.get<int>("data.image_size"),
               channels = trained.config.get<int>("data.in_channels");
    const Transform transform = transform_of(trained.config, false);
    const std::int64_t topk = flags.integer("--topk");
    if (topk < 1) throw Error("C04", "--topk must be at least 1", "--topk", "--topk 5");
    const std::string format = flags.json ? "json" : flags.text("--format");
    if (format == "csv") std::printf("filename,pred,prob,top_labels,top_probs\n");
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const std::string& file : files) {
        const Image image = load_image_for_model(file, side, side, channels);
        const Tensor input = Tensor::empty({1, side, side, channels});
        transform.apply(image, 0, 0, input.data<float>());
        const std::vector<float> logits =
            host_floats(trained.model->forward(input.to(device_of(flags.device)), Pass{}));
        std::vector<Guess> guesses;
        for (const std::int64_t c :
             top_k(logits, std::min<std::int64_t>(topk, static_cast<std::int64_t>(logits.size()))))
            guesses.push_back({trained.class_names[static_cast<std::size_t>(c)],
                               std::exp(log_softmax_at(logits, c))});
        if (format == "text") print_text(file, guesses);
        if (format == "csv") print_csv(file, guesses);
        if (format == "jsonl") std::printf("%s\n", text_of(json_object(file, guesses), -1).c_str());
        if (format == "json") all.push_back(json_object(file, guesses));
    }
    if (format == "json") std::printf("%s\n", text_of(all, 2).c_str());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return run_app([&] {
        AppSpec app;
        app.name = "predict";
        app.summary = "Name what a trained model sees in pictures.";
        app.positionals = {
            {"RUN", "run folder of a train_* program", Arity::One},
            {"FILES", "pictures, folders of pictures, or - for a list of paths on standard input",
             Arity::AtLeastOne}};
        app.own_flags = {{"--topk", "N", "how many classes to show", "5"},
                         {"--format", "text|csv|json|jsonl", "what to print", "text"}};
        app.examples = {"predict RUN picture.png",
                        "predict RUN photos/ --format csv > predictions.csv"};
        const std::optional<Flags> flags = parse_flags(argc, argv, app);
        return flags ? predict(*flags) : 0;
    });
}
