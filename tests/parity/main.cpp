// parity FILE.json...: compares what this program computes with golden values of the reference
// implementations.
//
//   parity [--device reference|cpu] [--dtype f64|f32] [--verbose] FILE.json...
//
// One line for each quantity that misses (with --verbose: for all) with its error and tolerance, and one
// line for each file. Exit status: 0 all equal, 1 a miss, 2 a file of a kind that is not supported.
#include <cstdio>
#include <fstream>

#include "core/error.h"
#include "tests/parity/cases.h"

namespace {

using namespace fovea;
using namespace fovea::parity;

bool check_file(const Json& file, const Target& target, Checker& check) {
    const std::string op = file.value("op", "");
    if (op == "model") return check_model(file, target, check);
    if (op == "train") return check_training(file, target, check);
    if (op == "param_counts") return check_parameter_counts(file, check);
    return false;
}

}  // namespace

int main(int argc, char** argv) {
    Target target;
    bool verbose = false;
    std::vector<std::string> files;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const bool has_value = i + 1 < argc;
        if (word == "--verbose") {
            verbose = true;
        } else if (word == "--device" && has_value) {
            const std::string name = argv[++i];
            target.device = name == "cpu" ? Device::cpu() : Device::reference();
            if (name == "cpu") target.dtype = DType::F32;
        } else if (word == "--dtype" && has_value) {
            target.dtype = std::string(argv[++i]) == "f32" ? DType::F32 : DType::F64;
        } else {
            files.push_back(word);
        }
    }
    int missed = 0, unsupported = 0;
    for (const std::string& name : files) {
        try {
            std::ifstream in(name);
            const Json file = Json::parse(in);
            Checker check(name, verbose);
            if (!check_file(file, target, check)) {
                std::printf("unsupported %s\n", name.c_str());
                ++unsupported;
                continue;
            }
            std::printf("%s %s: %d quantities, %d missed, worst error %.2g of its tolerance\n",
                        check.misses() == 0 ? "pass" : "FAIL", name.c_str(), check.quantities(), check.misses(), check.worst());
            missed += check.misses() != 0;
        } catch (const Error& e) {
            std::printf("FAIL %s: %s\n", name.c_str(), format_error(e).c_str());
            ++missed;
        } catch (const std::exception& e) {
            std::printf("FAIL %s: %s\n", name.c_str(), e.what());
            ++missed;
        }
    }
    return missed > 0 ? 1 : unsupported > 0 ? 2 : 0;
}
