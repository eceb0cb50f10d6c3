// The texts of --help and --help-all, made from an AppSpec and the recipe's schema.
#include "apps/common/flags.h"

namespace fovea::apps {
namespace {

constexpr std::size_t kDocColumn = 28;
constexpr std::size_t kWidth = 100;

/// "  left        doc", the doc broken at spaces and hanging below itself.
std::string entry(const std::string& left, const std::string& doc) {
    std::string out = "  " + left;
    std::size_t at = out.size();
    if (at + 2 > kDocColumn) {
        out += '\n';
        at = 0;
    }
    out.append(kDocColumn - at, ' ');
    std::size_t used = kDocColumn;
    std::size_t start = 0;
    while (start < doc.size()) {
        const std::size_t end = std::min(doc.find(' ', start), doc.size());
        const std::size_t length = end - start;
        if (used > kDocColumn && used + 1 + length > kWidth) {
            out += '\n' + std::string(kDocColumn, ' ');
            used = kDocColumn;
        }
        if (used > kDocColumn) out += ' ', ++used;
        out += doc.substr(start, length);
        used += length;
        start = end + 1;
    }
    return out + '\n';
}

/// "N", "X", "TEXT" or the choices.
std::string placeholder(const KeySpec& spec) {
    constexpr const char* kNames[] = {"", " N", " X", " TEXT", " X,X,..."};
    const bool choices = spec.default_value.index() == 3 && spec.range[0] != '\0';
    if (choices && std::string(spec.range).find('|') != std::string::npos &&
        std::string(spec.range).size() < 16)
        return std::string(" ") + spec.range;
    return kNames[spec.default_value.index()];
}

std::string unit_of(const KeySpec& spec) {
    return spec.unit[0] == '\0' ? std::string{} : std::string(" (") + spec.unit + ")";
}

std::string key_flags() {
    std::string out = "\nSettings of the recipe (the default depends on the recipe):\n";
    for (const KeySpec& spec : schema()) {
        if (spec.flag[0] == '\0') continue;
        std::string name = spec.flag + placeholder(spec);
        if (std::holds_alternative<bool>(spec.default_value))
            name += ", --no-" + std::string(spec.flag).substr(2);
        out += entry(name, spec.doc + unit_of(spec));
    }
    return out;
}

std::string all_keys() {
    std::string out = "\nAll keys of a recipe, for a .toml file or --set key=value:\n";
    for (const KeySpec& spec : schema()) {
        std::string doc = spec.doc + unit_of(spec) + ". Default " + to_toml(spec.default_value);
        if (spec.range[0] != '\0') doc += std::string(", ") + spec.range;
        if (spec.flag[0] != '\0') doc += std::string(", ") + spec.flag;
        if (!spec.alters_maths) doc += ", may change on --resume";
        out += entry(spec.key, doc);
    }
    return out;
}

}  // namespace

std::string help_text(const AppSpec& app, bool all) {
    std::string out = app.summary + "\n\nUsage: " + app.name + " [FLAGS]";
    for (const PositionalSpec& positional : app.positionals) {
        const bool many = positional.arity != Arity::One;
        const std::string name = positional.name + (many ? "..." : "");
        out += positional.arity == Arity::Any ? " [" + name + "]" : " " + name;
    }
    out += '\n';
    for (const std::string& example : app.examples) out += "  " + example + '\n';
    if (!app.positionals.empty()) out += "\nArguments:\n";
    for (const PositionalSpec& positional : app.positionals)
        out += entry(positional.name, positional.doc);
    if (!app.own_flags.empty()) out += "\nFlags of " + app.name + ":\n";
    for (const FlagSpec& flag : app.own_flags) {
        const bool shown = !flag.value.empty() && !flag.default_value.empty();
        out += entry(flag.name + (flag.value.empty() ? "" : " " + flag.value),
                     flag.doc + (shown ? " (" + flag.default_value + ")" : ""));
    }
    if (app.training) {
        out += "\nRun:\n";
        out += entry(
            "--config FILE",
            "recipe: a .toml file or the name of a built-in one" +
                (app.default_recipe.empty() ? std::string{} : " (" + app.default_recipe + ")"));
        out += entry("--set KEY=VALUE", "any key of the recipe; may be repeated");
        out += entry("--quick", "the recipe's short sister: NAME_quick");
        out += entry("--resume [DIR]", "go on with the run in DIR, or with the latest in runs/");
        out += entry("--fork", "with --resume: into a new run folder, other settings allowed");
        out += entry("--dry-run", "show the model, the data and the settings, then stop");
        out += key_flags();
    }
    out += "\nCommon flags:\n";
    if (!app.training) {
        for (const std::string key : {"train.device", "train.threads", "train.seed"}) {
            if (key == "train.device" && !app.computes) continue;
            const KeySpec& spec = *find_key(key);
            out += entry(spec.flag + placeholder(spec), spec.doc);
        }
    }
    out += entry("--out PATH",
                 app.training ? "the run folder (runs/MMDD-HHMM_MODEL_sSEED)" : "where results go");
    out += entry("--quiet, -q", "only errors and warnings");
    out += entry("--verbose, -v", "more detail");
    out += entry("--json", "results as JSON on standard output");
    out += entry("--help, -h", "this text");
    out += entry("--help-all", app.training ? "every key of the recipe too" : "this text");
    out += entry("--version", "version and build");
    if (all && app.training) out += all_keys();
    return out;
}

}  // namespace fovea::apps
