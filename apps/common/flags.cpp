#include "apps/common/flags.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>

#include "apps/common/device.h"
#include "apps/common/env_info.h"
#include "apps/common/run_folder.h"
#include "core/error.h"
#include "core/suggest.h"

namespace fovea::apps {
namespace {

/// What CLI11 fills in; a list for each key flag, own flag and positional that was given.
struct Raw {
    std::map<std::string, std::vector<std::string>> key_flags;  // by flag name
    std::map<std::string, bool> switches;                       // by flag name
    std::map<std::string, std::string> singles;                 // positionals of one value
    std::vector<std::string> sets, resume;
    std::string config, device, threads, seed;
    bool help = false, help_all = false, version = false, quick = false;
};

/// An option with one value, where the last of several wins.
void add_text(CLI::App& cli, const std::string& name, std::string& target) {
    cli.add_option(name, target)->take_last();
}

void add_common(CLI::App& cli, const AppSpec& app, Flags& flags, Raw& raw) {
    cli.set_help_flag();
    cli.add_flag("--help,-h", raw.help);
    cli.add_flag("--help-all", raw.help_all);
    cli.add_flag("--version", raw.version);
    cli.add_flag("--quiet,-q", flags.quiet);
    cli.add_flag("--verbose,-v", flags.verbose);
    cli.add_flag("--json", flags.json);
    add_text(cli, "--out", flags.out);
    if (!app.training) {
        if (app.computes) add_text(cli, "--device", raw.device);
        add_text(cli, "--threads", raw.threads);
        add_text(cli, "--seed", raw.seed);
        return;
    }
    add_text(cli, "--config", raw.config);
    // One value each time, so that a following flag or file is not swallowed.
    cli.add_option("--set", raw.sets)
        ->type_size(1)
        ->expected(1)
        ->allow_extra_args(false)
        ->take_all();
    cli.add_flag("--quick", raw.quick);
    cli.add_option("--resume", raw.resume)
        ->expected(0, 1)
        ->allow_extra_args(false)
        ->trigger_on_parse();
    cli.add_flag("--fork", flags.fork);
    cli.add_flag("--dry-run", flags.dry_run);
    for (const KeySpec& spec : schema()) {
        if (spec.flag[0] == '\0') continue;
        std::vector<std::string>& target = raw.key_flags[spec.flag];
        if (std::holds_alternative<bool>(spec.default_value)) {
            const std::string name = std::string(spec.flag).substr(2);
            cli.add_flag_callback(spec.flag, [&target] { target = {"true"}; });
            cli.add_flag_callback("--no-" + name, [&target] { target = {"false"}; });
        } else {
            cli.add_option(spec.flag, target)->expected(1)->allow_extra_args(false)->take_last();
        }
    }
}

void add_own(CLI::App& cli, const AppSpec& app, Flags& flags, Raw& raw) {
    for (const FlagSpec& flag : app.own_flags) {
        flags.defaults[flag.name] = flag.default_value;
        if (flag.value.empty()) {
            cli.add_flag(flag.name, raw.switches[flag.name]);
        } else {
            cli.add_option(flag.name, flags.values[flag.name])
                ->expected(1)
                ->allow_extra_args(false)
                ->take_last();
        }
    }
    for (const PositionalSpec& positional : app.positionals) {
        if (positional.arity == Arity::One) {  // a list would swallow the arguments after it
            cli.add_option(positional.name, raw.singles[positional.name]);
        } else {
            cli.add_option(positional.name, flags.values[positional.name]);
        }
    }
}

/// All flags that the program knows.
std::vector<std::string> flag_names(const CLI::App& cli) {
    std::vector<std::string> names;
    for (const CLI::Option* option : cli.get_options())
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    return names;
}

[[noreturn]] void throw_unknown(const std::string& argument, const CLI::App& cli,
                                const AppSpec& app) {
    const std::string name = argument.substr(0, argument.find('='));
    if (name.empty() || name[0] != '-') {
        throw Error("C01", "unexpected argument " + name, app.name,
                    app.name + " --help shows what it takes");
    }
    const std::string key =
        name.substr(name.find_first_not_of('-') == std::string::npos ? name.size()
                                                                     : name.find_first_not_of('-'));
    std::string near;
    if (app.training && find_key(key) != nullptr) {
        near = "--set " + key + "=VALUE";
    } else {
        // A flag cut short ("--epoch", "--smooth") is nearer than one of a few other letters.
        for (const std::string& flag : flag_names(cli))
            if (name.size() > 3 && flag.rfind(name, 0) == 0 && near.empty()) near = flag;
        if (near.empty()) near = suggest(name, flag_names(cli));
    }
    throw Error("C01", "unknown flag " + name, app.name,
                near.empty() ? app.name + " --help lists the flags" : near);
}

void parse_with_cli(CLI::App& cli, int argc, const char* const* argv, const AppSpec& app) {
    cli.allow_extras();
    try {
        cli.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        throw Error("C03", error.what(), app.name, app.name + " --help shows what it takes");
    }
    const std::vector<std::string> extras = cli.remaining();
    for (const std::string& extra : extras)  // the flag is to blame, not the value after it
        if (extra.size() > 1 && extra[0] == '-') throw_unknown(extra, cli, app);
    if (!extras.empty()) throw_unknown(extras.front(), cli, app);
}

void check_positionals(const AppSpec& app, const Flags& flags) {
    for (const PositionalSpec& positional : app.positionals) {
        if (positional.arity == Arity::Any || !flags.all(positional.name).empty()) continue;
        throw Error("C10", "missing " + positional.name + " (" + positional.doc + ")", app.name,
                    app.examples.empty() ? app.name + " --help" : app.examples.front());
    }
}

/// Own flags whose placeholder lists choices: "val|test".
void check_choices(const AppSpec& app, const Flags& flags) {
    for (const FlagSpec& flag : app.own_flags) {
        if (flag.value.find('|') == std::string::npos || !flags.given(flag.name)) continue;
        const std::string& given = flags.text(flag.name);
        if (("|" + flag.value + "|").find("|" + given + "|") != std::string::npos) continue;
        throw Error("C04", flag.name + " is \"" + given + "\", must be one of " + flag.value,
                    flag.name, flag.name + " " + flag.value.substr(0, flag.value.find('|')));
    }
}

template <class T>
T parse_number(const std::string& text, const std::string& flag, const char* kind,
               const std::string& example) {
    T number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        throw Error("C03", flag + " is \"" + text + "\", must be " + kind, flag,
                    flag + " " + example);
    return number;
}

/// "--quick" takes the shorter sister of a recipe.
std::string quick_name(std::string recipe) {
    const bool file = recipe.ends_with(".toml");
    if (file) recipe.resize(recipe.size() - 5);
    return recipe + "_quick" + (file ? ".toml" : "");
}

void resolve_training(const AppSpec& app, Raw& raw, Flags& flags) {
    if (flags.resume) {
        if (raw.quick)
            throw Error("C11", "--quick does not go with --resume", app.name, "one of them");
        flags.resume_dir = !raw.resume.empty() && !raw.resume.back().empty() ? raw.resume.back()
                           : !flags.out.empty()                              ? flags.out
                                                : RunFolder::newest().string();
    } else if (flags.fork) {
        throw Error("C11", "--fork needs a run to start from", app.name, "--resume DIR --fork");
    }
    flags.recipe = !raw.config.empty() ? raw.config
                   : flags.resume      ? RunFolder::open(flags.resume_dir).config_file().string()
                                       : app.default_recipe;
    if (raw.quick) flags.recipe = quick_name(flags.recipe);
    RecipeRequest request{flags.recipe, raw.sets, {}};
    for (const auto& [flag, given] : raw.key_flags)
        if (!given.empty()) request.flags.emplace_back(flag, given.back());
    flags.config = resolve(request);
    flags.device = flags.config.get<std::string>("train.device");
    flags.threads = flags.config.get<std::int64_t>("train.threads");
    flags.seed = flags.config.get<std::int64_t>("train.seed");
}

/// --device, --threads and --seed of the programs that do not train, checked by the same schema.
void resolve_common(const Raw& raw, Flags& flags) {
    const std::pair<const char*, const std::string*> given[] = {
        {"--device", &raw.device}, {"--threads", &raw.threads}, {"--seed", &raw.seed}};
    RecipeRequest request;
    for (const auto& [flag, text] : given)
        if (!text->empty()) request.flags.emplace_back(flag, *text);
    flags.config = resolve(request);
    flags.device = flags.config.get<std::string>("train.device");
    flags.threads = flags.config.get<std::int64_t>("train.threads");
    flags.seed = flags.config.get<std::int64_t>("train.seed");
}

}  // namespace

std::optional<Flags> parse_flags(int argc, const char* const* argv, const AppSpec& app) {
    Flags flags;
    Raw raw;
    CLI::App cli(app.summary, app.name);
    add_common(cli, app, flags, raw);
    add_own(cli, app, flags, raw);
    parse_with_cli(cli, argc, argv, app);
    flags.command.assign(argv, argv + argc);
    flags.resume = app.training && cli.count("--resume") > 0;
    for (const auto& [name, on] : raw.switches)
        if (on) flags.values[name] = {"true"};
    for (const auto& [name, value] : raw.singles)
        if (!value.empty()) flags.values[name] = {value};

    if (raw.version || raw.help || raw.help_all) {
        std::fputs(
            raw.version ? (version_line() + "\n").c_str() : help_text(app, raw.help_all).c_str(),
            stdout);
        return std::nullopt;
    }
    check_positionals(app, flags);
    check_choices(app, flags);
    if (app.training) {
        resolve_training(app, raw, flags);
    } else {
        resolve_common(raw, flags);
    }
    parse_device(flags.device, flags.config.origin("train.device"));  // throws if it is none
    return flags;
}

const std::vector<std::string>& Flags::all(const std::string& name) const {
    static const std::vector<std::string> none;
    const auto found = values.find(name);
    return found == values.end() ? none : found->second;
}

const std::string& Flags::one(const std::string& positional) const {
    if (all(positional).empty()) throw Error("B01", "no argument " + positional);
    return all(positional).front();
}

bool Flags::given(const std::string& flag) const { return !all(flag).empty(); }

bool Flags::on(const std::string& flag) const { return given(flag); }

const std::string& Flags::text(const std::string& flag) const {
    if (given(flag)) return all(flag).back();
    const auto found = defaults.find(flag);
    if (found == defaults.end()) throw Error("B01", "no flag " + flag);
    return found->second;
}

std::int64_t Flags::integer(const std::string& flag) const {
    return parse_number<std::int64_t>(text(flag), flag, "an integer", "5");
}

double Flags::number(const std::string& flag) const {
    return parse_number<double>(text(flag), flag, "a number", "0.5");
}

std::string shell_line(const std::vector<std::string>& arguments) {
    std::string line;
    for (const std::string& argument : arguments) {
        if (!line.empty()) line += ' ';
        const bool plain =
            !argument.empty() && argument.find_first_not_of(
                                     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_-+=./:,@%") == std::string::npos;
        if (plain) {
            line += argument;
            continue;
        }
        line += '\'';
        for (const char c : argument) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
        line += '\'';
    }
    return line;
}

}  // namespace fovea::apps
