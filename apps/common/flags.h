// Command line: flags common to all programs, flags of the recipe's keys for the training programs,
// and a program's own.
//
//     const AppSpec app{.name = "train_cvt", .summary = "Train a CvT.", .training = true,
//                       .default_recipe = "cvt_28"};
//     return run_app([&] {
//         const auto flags = parse_flags(argc, argv, app);
//         if (!flags) return 0;                       // --help or --version was printed
//         double lr = flags->config.get<double>("optim.lr");
//         ...
//     });
//
//     const AppSpec app{.name = "evaluate", .summary = "Measure a trained model.",
//                       .positionals = {{"RUN", "run folder", Arity::One}},
//                       .own_flags = {{"--split", "val|test", "which split", "val"}}};
//     flags->one("RUN"), flags->all("FILES"), flags->text("--split"), flags->on("--tta")
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/common/recipe.h"

namespace fovea::apps {

enum class Arity { One, AtLeastOne, Any };

struct PositionalSpec {
    std::string name;  ///< "RUN", as the help shows it
    std::string doc;
    Arity arity = Arity::One;
};

struct FlagSpec {
    std::string name;   ///< "--topk"
    std::string value;  ///< placeholder of its value: "N"; "a|b" = one of these; "" = a switch
    std::string doc;
    std::string default_value;  ///< text, shown in the help
};

struct AppSpec {
    std::string name;
    std::string summary;
    bool training = false;       ///< the recipe's flags, --config, --set, --resume, --quick, ...
    bool computes = true;        ///< on a device of the user's choice: --device
    std::string default_recipe;  ///< used without --config
    std::vector<PositionalSpec> positionals;
    std::vector<FlagSpec> own_flags;
    std::vector<std::string> examples;  ///< command lines for the help
};

struct Flags {
    Config config;                ///< resolved; all defaults in a program that does not train
    std::string recipe;           ///< what --config named, or the default recipe
    std::string device = "auto";  ///< auto, cpu, reference, cuda:N
    std::int64_t threads = 0;     ///< 0 = all cores
    std::int64_t seed = 42;
    std::string out;  ///< --out, or ""
    bool quiet = false, verbose = false, json = false;
    bool resume = false, fork = false, dry_run = false;
    std::string resume_dir;            ///< the run folder to go on with ("" without --resume)
    std::vector<std::string> command;  ///< argv, for env.json and the resume line

    const std::string& one(const std::string& positional) const;
    const std::vector<std::string>& all(const std::string& positional) const;
    const std::string& text(const std::string& flag) const;  ///< own flag, or its default
    std::int64_t integer(const std::string& flag) const;     ///< Error C03 if it is no integer
    double number(const std::string& flag) const;            ///< Error C03 if it is no number
    bool on(const std::string& flag) const;                  ///< own switch
    bool given(const std::string& flag) const;               ///< own flag was on the command line

    std::map<std::string, std::vector<std::string>> values;  ///< own flags and positionals as given
    std::map<std::string, std::string> defaults;             ///< of own flags
};

/// Empty when the program has nothing left to do (--help, --help-all, --version were printed).
/// Errors: C01 unknown flag or argument (with the nearest one), C03/C04 wrong value, C10 something is
/// missing, C11 flags that exclude each other, C21 no such device; and those of resolve().
std::optional<Flags> parse_flags(int argc, const char* const* argv, const AppSpec& app);

/// The text of --help, or with `all` of --help-all (every key of the recipe).
std::string help_text(const AppSpec& app, bool all);

/// One command line that a shell reads back as these arguments.
std::string shell_line(const std::vector<std::string>& arguments);

}  // namespace fovea::apps
