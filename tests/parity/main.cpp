// parity: compares what this program computes with golden values of the reference implementations.
//
//   parity                                   the files of tests/golden but for large models; see suite.h
//   parity --large                           the large models
//   parity [--device reference|cpu|cuda] [--dtype f64|f32] [--verbose] FILE.json...
//
// One line for each quantity that misses (with --verbose: for all) with its error and tolerance, and one
// line for each file. Exit status: 0 all equal, 1 a miss, 2 a file of a kind that is not supported (or a
// command line that is not understood).
#include <cstdio>
#include <fstream>

#include "core/error.h"
#include "tests/parity/cases.h"
#include "tests/parity/suite.h"

namespace {

using namespace fovea;
using namespace fovea::parity;

enum class Status : unsigned char { Passed, Failed, Unsupported };

Status check_one(const std::string& name, const Target& target, bool verbose) {
    Checker check(name, verbose ? Report::All : Report::Misses);
    bool supported = true;
    try {
        std::ifstream in(name);
        supported = check_file(Json::parse(in), target, check);
    } catch (const Error& e) {
        check.require(format_error(e), false);
    } catch (const std::exception& e) {
        check.require(e.what(), false);
    }
    if (!supported && check.misses() == 0) {
        std::printf("unsupported %s\n", name.c_str());
        return Status::Unsupported;
    }
    const bool passed = check.misses() == 0;
    std::printf("%s %s: %d quantities, %d missed, worst error %.2g of its tolerance\n",
                passed ? "pass" : "FAIL", name.c_str(), check.quantities(), check.misses(),
                check.worst());
    return passed ? Status::Passed : Status::Failed;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 1) return run_suite(Scope::Usual) ? 0 : 1;
    if (argc == 2 && std::string(argv[1]) == "--large") return run_suite(Scope::Large) ? 0 : 1;
    Target target;
    bool verbose = false;
    std::vector<std::string> files;
    try {
        std::string dtype;
        for (int i = 1; i < argc; ++i) {
            const std::string word = argv[i];
            if (word == "--verbose") {
                verbose = true;
            } else if (word == "--device" && i + 1 < argc) {
                target.device = choose<Device>(argv[++i], {{"reference", Device::reference()},
                                                           {"cpu", Device::cpu()},
                                                           {"cuda", Device::cuda()}});
            } else if (word == "--dtype" && i + 1 < argc) {
                dtype = argv[++i];
            } else if (word.rfind("--", 0) == 0) {
                throw Unsupported(word);
            } else {
                files.push_back(word);
            }
        }
        // Only the reference device computes in double.
        if (dtype.empty()) dtype = target.device == Device::reference() ? "f64" : "f32";
        target.dtype = choose<DType>(dtype, {{"f64", DType::F64}, {"f32", DType::F32}});
    } catch (const Unsupported& e) {
        std::printf("parity: %s is not understood\n", e.what());
        return 2;
    }
    int failed = 0, unsupported = 0;
    for (const std::string& name : files) {
        const Status status = check_one(name, target, verbose);
        failed += status == Status::Failed;
        unsupported += status == Status::Unsupported;
    }
    return failed > 0 ? 1 : unsupported > 0 ? 2 : 0;
}
