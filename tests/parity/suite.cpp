#include "tests/parity/suite.h"

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

/// Parameters of the file's model.
double model_size(const Json& file) {
    return file.at("param_count").at("parameters").get<double>();
}

/// A model of more than 15 million parameters waits for --large, but for the one of Swin and of CvT that
/// takes the least time, so that each family has a published model among the usual ones. Tables of counts are
/// always checked.
Scope scope_of(const Json& file) {
    static const std::set<std::string> usual = {"swin_t_tv", "cvt13_ms"};
    const bool large = file.value("op", "") == "model" && model_size(file) > 15e6;
    return large && !usual.contains(file.at("id")) ? Scope::Large : Scope::Usual;
}

/// Can be computed many times over.
bool is_fast(const Json& file) {
    const std::string op = file.value("op", "");
    return op != "model" && op != "param_counts" && op != "train";
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
                              "/max_abs_logit_difference",
                              "/loss_before_step",
                              "/params_after_step [w1, b1, w2]",
                              "/ema_after_step [w1, b1, w2]",
                              "/total_norm_before_clip",
                              "/schedules",
                              "/parameters",
                              "/param_count/parameters",
                              "/eval/logits",
                              "/train/logits",
                              "/train/logits_dist",
                              "/train/loss_soft_tau3",
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

/// Changes one digit of each result in turn and counts those that nobody noticed. Where that takes long,
/// the last result of each place stands for the others.
int unnoticed_changes(const std::string& name, Json file, int& tried) {
    int unnoticed = 0;
    for (const Json::json_pointer& place : result_places(file)) {
        std::vector<Json*> numbers;
        for_each_result(file.at(place), [&](Json& list) {
            if (Json* const number = largest_number(list)) numbers.push_back(number);
        });
        if (!is_fast(file) && numbers.size() > 1) numbers = {numbers.back()};
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

bool run_suite(Scope scope) {
    const std::map<std::string, Json> files = read_files();
    std::set<std::string> unsupported = read_unsupported();
    int wrong = 0, checked = 0, quantities = 0, tried = 0;
    std::set<std::string> changed;  // kinds of slow files whose changed digits have been tried
    for (const auto& [name, file] : files) {
        const bool listed = unsupported.erase(name) > 0;
        if (scope_of(file) != scope) continue;
        Outcome outcome = run(name, file, kFast, Report::Misses);
        wrong += outcome.misses > 0;
        quantities += outcome.quantities;
        if (outcome.supported == listed) {
            std::printf("MISS %s: %s\n", name.c_str(),
                        listed ? "is supported now: take it off tests/parity/unsupported.txt"
                               : "is not supported, nor listed in tests/parity/unsupported.txt");
            ++wrong;
        }
        if (!outcome.supported) continue;
        ++checked;
        outcome = run(name, file, kExact, Report::Misses);
        wrong += outcome.misses > 0;
        quantities += outcome.quantities;
        // Of what is slow, one file of each kind of results, and no full-size model.
        std::string kind = file.value("op", "");
        if (kind == "model" && model_size(file) > 1e6) continue;
        for (const Json::json_pointer& place : result_places(file)) kind += place.to_string();
        if (!is_fast(file) && !changed.insert(kind).second) continue;
        wrong += unnoticed_changes(name, file, tried);
    }
    for (const std::string& name : unsupported) {
        std::printf("MISS %s: listed in tests/parity/unsupported.txt, but there is no such file\n",
                    name.c_str());
        ++wrong;
    }
    std::printf("%s: %d of %zu golden files, %d quantities, %d changed digits tried, %d wrong\n",
                wrong == 0 ? "pass" : "FAIL", checked, files.size(), quantities, tried, wrong);
    return wrong == 0 && checked > 0;
}

}  // namespace fovea::parity
