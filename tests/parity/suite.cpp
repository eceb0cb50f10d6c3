#include "tests/parity/suite.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "core/error.h"
#include "tests/parity/cases.h"
#include "tests/parity/changed_digit.h"

namespace fovea::parity {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = "tests/golden";
const fs::path kUnsupported = "tests/parity/unsupported.txt";
const Target kExact = {Device::reference(), DType::F64};
const Target kFast = {Device::cpu(), DType::F32};

/// Golden files by their path below tests/golden.
std::map<std::string, Json> read_files() {
    std::map<std::string, Json> files;
    for (const char* folder : {"layers", "losses", "optim", "models", "training"})
        for (const fs::directory_entry& entry : fs::directory_iterator(kGolden / folder)) {
            std::ifstream in(entry.path());
            files[fs::relative(entry.path(), kGolden).generic_string()] = Json::parse(in);
        }
    return files;
}

/// Lines of the list, without comments.
std::set<std::string> read_unsupported() {
    std::set<std::string> names;
    std::ifstream in(kUnsupported);
    for (std::string line; std::getline(in, line);)
        if (!line.empty() && line.front() != '#') names.insert(line);
    return names;
}

bool full_size(const Json& file) {
    return file.value("op", "") == "model" &&
           file.at("param_count").at("parameters").get<double>() > 1e6;
}

struct Outcome {
    bool supported = false;
    int misses = 0, quantities = 0;
};

Outcome run(const std::string& name, const Json& file, const Target& target, Report report) {
    Checker check(name + (target.exact() ? " (reference f64)" : " (cpu f32)"), report);
    Outcome outcome;
    try {
        outcome.supported = check_file(file, target, check);
    } catch (const std::exception& e) {
        check.require(e.what(), false);
        outcome.supported = true;
    }
    outcome.misses = check.misses();
    outcome.quantities = check.quantities();
    return outcome;
}

/// Calls f for every list of numbers (or single number) below `value` that is a result.
template <class F>
void for_each_result(Json& value, const F& f) {
    if (value.is_number() || (value.is_array() && !value.empty() && !value.front().is_object())) {
        f(value);
    } else if (value.is_array()) {
        for (Json& part : value) for_each_result(part, f);
    } else if (value.is_object() && value.contains("data")) {
        f(value.at("data"));
    } else if (value.is_object()) {
        for (auto& [key, part] : value.items())
            if (key != "resolution" && key != "window" && key != "shift") for_each_result(part, f);
    }
}

/// The parts of a file that hold results which are compared.
std::vector<Json::json_pointer> result_places(const Json& file) {
    std::vector<Json::json_pointer> found;
    for (const char* place : {"/y",
                              "/grad",
                              "/more",
                              "/loss",
                              "/targets",
                              "/relative_position_index",
                              "/attn_mask",
                              "/loss_before_step",
                              "/params_after_step [w1, b1, w2]",
                              "/ema_after_step [w1, b1, w2]",
                              "/total_norm_before_clip",
                              "/schedules",
                              "/parameters",
                              "/param_count/parameters",
                              "/eval/logits",
                              "/train/logits",
                              "/train/loss",
                              "/train/grads",
                              "/train/bn_after",
                              "/loss_of_step",
                              "/grad_norm_of_step",
                              "/params_after",
                              "/bn_after",
                              "/ema_after",
                              "/eval_logits_after on input"}) {
        const Json::json_pointer pointer(place);
        if (file.contains(pointer)) found.push_back(pointer);
    }
    return found;
}

/// Changes one digit of each result in turn and counts those that nobody noticed. Models have hundreds
/// of results and take long: the last one of each place stands for the others.
int unnoticed_changes(const std::string& name, Json file, int& tried) {
    const bool slow = file.at("op") == "model" || file.at("op") == "train";
    int unnoticed = 0;
    for (const Json::json_pointer& place : result_places(file)) {
        std::vector<Json*> numbers;
        for_each_result(file.at(place), [&](Json& list) {
            if (Json* const number = largest_number(list)) numbers.push_back(number);
        });
        if (slow && numbers.size() > 1) numbers = {numbers.back()};
        for (Json* const number : numbers) {
            const Json original = *number;
            *number = changed_digit(original);
            ++tried;
            if (run(name, file, kExact, Report::Nothing).misses == 0) {
                std::printf("MISS %s: a changed digit in %s (%s) goes unnoticed\n", name.c_str(),
                            place.to_string().c_str(), original.dump().c_str());
                ++unnoticed;
            }
            *number = original;
        }
    }
    return unnoticed;
}

}  // namespace

bool run_suite() {
    const std::map<std::string, Json> files = read_files();
    std::set<std::string> unsupported = read_unsupported();
    int wrong = 0, passed = 0, quantities = 0, tried = 0;
    std::set<std::string> changed;  // slow ops whose changed digits have been tried
    for (const auto& [name, file] : files) {
        const bool listed = unsupported.erase(name) > 0;
        Outcome outcome = run(name, file, kFast, Report::Misses);
        wrong += outcome.misses > 0;
        quantities += outcome.quantities;
        if (outcome.supported == listed) {
            std::printf("MISS %s: %s\n", name.c_str(),
                        listed ? "is supported now: take it off tests/parity/unsupported.txt"
                               : "is not supported, nor listed in tests/parity/unsupported.txt");
            ++wrong;
        }
        if (!outcome.supported || full_size(file)) continue;
        outcome = run(name, file, kExact, Report::Misses);
        wrong += outcome.misses > 0;
        quantities += outcome.quantities;
        ++passed;
        const std::string op = file.value("op", "");
        if ((op == "model" || op == "train") && !changed.insert(op).second) continue;
        wrong += unnoticed_changes(name, file, tried);
    }
    for (const std::string& name : unsupported) {
        std::printf("MISS %s: listed in tests/parity/unsupported.txt, but there is no such file\n",
                    name.c_str());
        ++wrong;
    }
    std::printf(
        "%s: %zu golden files, %d checked in fp64, %d quantities, %d changed digits tried, %d "
        "wrong\n",
        wrong == 0 ? "pass" : "FAIL", files.size(), passed, quantities, tried, wrong);
    return wrong == 0 && passed > 0;
}

}  // namespace fovea::parity
