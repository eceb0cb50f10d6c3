// The models there are: size, cost, input, classes, the layer to explain.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/common/flags.h"
#include "apps/common/model_globs.h"
#include "apps/common/run_app.h"
#include "core/allocator.h"
#include "models/registry.h"

namespace {

using namespace fovea;
using namespace fovea::apps;

struct Row {
    std::string name;
    std::int64_t parameters = 0;
    double gmacs = 0.0;
    Shape input;  // height, width, channels
    std::int64_t classes = 0;
    std::string explain;               // the layer whose output explains best; empty if none does
    std::vector<std::string> formats;  // whose names its weights can have
};

Row row_of(const std::string& name) {
    const std::unique_ptr<Classifier> model = make_model(name, {});
    Row row{name,
            parameter_count(*model),
            static_cast<double>(model->macs()) / 1e9,
            model->input_shape(),
            model->classes(),
            model->explain_layer(),
            {}};
    for (const NameStyle& style : model->name_styles()) row.formats.push_back(style.name);
    return row;
}

std::string spell(const Shape& s) {
    return std::to_string(s[0]) + "x" + std::to_string(s[1]) + "x" + std::to_string(s[2]);
}

std::string joined(const std::vector<std::string>& words, const char* between) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
    return text;
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

void print_table(const std::vector<Row>& rows) {
    std::printf("%-33s %13s %9s %12s %8s  %-24s %s\n", "model", "parameters", "GMAC", "input",
                "classes", "explain", "names");
    for (const Row& r : rows)
        std::printf("%-33s %13lld %9.4f %12s %8lld  %-24s %s\n", r.name.c_str(),
                    static_cast<long long>(r.parameters), r.gmacs, spell(r.input).c_str(),
                    static_cast<long long>(r.classes), or_dash(r.explain).c_str(),
                    or_dash(joined(r.formats, ", ")).c_str());
}

void print_csv(const std::vector<Row>& rows) {
    std::printf("model,parameters,gmacs,height,width,channels,classes,explain,formats\n");
    for (const Row& r : rows)
        std::printf("%s,%lld,%.6f,%lld,%lld,%lld,%lld,%s,%s\n", r.name.c_str(),
                    static_cast<long long>(r.parameters), r.gmacs,
                    static_cast<long long>(r.input[0]), static_cast<long long>(r.input[1]),
                    static_cast<long long>(r.input[2]), static_cast<long long>(r.classes),
                    r.explain.c_str(), joined(r.formats, " ").c_str());
}

void print_json(const std::vector<Row>& rows) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Row& r : rows)
        list.push_back({{"model", r.name},
                        {"parameters", r.parameters},
                        {"gmacs", r.gmacs},
                        {"input", {r.input[0], r.input[1], r.input[2]}},
                        {"classes", r.classes},
                        {"explain", r.explain},
                        {"formats", r.formats}});
    std::printf("%s\n", list.dump(2).c_str());
}

int models(const Flags& flags) {
    std::vector<Row> rows;
    for (const std::string& name : models_matching(flags.all("GLOB"))) {
        rows.push_back(row_of(name));
        allocator::release_cached(Device::cpu());  // weights that nobody touched need no memory
    }
    if (flags.json)
        print_json(rows);
    else if (flags.on("--csv"))
        print_csv(rows);
    else
        print_table(rows);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return run_app([&] {
        AppSpec app;
        app.name = "models";
        app.computes = false;
        app.summary =
            "List the models: parameters, multiply-adds, input, classes, names of others.";
        app.positionals = {{"GLOB", "model names, * and ? allowed; all without one", Arity::Any}};
        app.own_flags = {{"--csv", "", "as comma-separated values", ""}};
        app.examples = {"models", "models 'swin*' 'vit_?_16'", "models --csv > models.csv"};
        const std::optional<Flags> flags = parse_flags(argc, argv, app);
        return flags ? models(*flags) : 0;
    });
}
