// The case table leaves nothing out: every declared kernel and every public op has a case.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include "tests/cases/case.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

using Names = std::set<std::string>;

/// First groups of all matches in the headers of a folder of the source tree.
Names names_in(const std::string& folder, const std::regex& pattern) {
    Names names;
    const std::filesystem::path path = std::filesystem::path(FOVEA_SOURCE_DIR) / folder;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
        if (entry.path().extension() != ".h") continue;
        std::ifstream file(entry.path());
        std::stringstream text;
        text << file.rdbuf();
        const std::string source = text.str();
        for (std::sregex_iterator m(source.begin(), source.end(), pattern), end; m != end; ++m)
            names.insert((*m)[1]);
    }
    return names;
}

Names missing(const Names& wanted, const Names& have) {
    Names out;
    std::set_difference(wanted.begin(), wanted.end(), have.begin(), have.end(),
                        std::inserter(out, out.end()));
    return out;
}

}  // namespace

TEST_CASE("every declared kernel has a case", "[case_table]") {
    // Not the macro's own definition: its "KERNEL(name, ...)" follows a #define.
    const Names declared = names_in("kernels/include", std::regex(R"((?:^|\n)KERNEL\((\w+))"));
    CHECK(declared.size() >= 40);
    Names covered;
    for (const Case& c : all_cases()) covered.insert(c.kernels.begin(), c.kernels.end());
    CHECK(missing(declared, covered) == Names{});
    CHECK(missing(covered, declared) == Names{});  // a case names a kernel that is gone
}

TEST_CASE("every public op has a case", "[case_table]") {
    const Names declared =
        names_in("core/ops", std::regex(R"((?:^|\n)(?:inline )?Tensor (\w+)\()"));
    CHECK(declared.size() >= 25);
    Names ops;
    for (const Case& c : all_cases()) ops.insert(c.op);
    Names wanted = declared;
    wanted.erase("as_rows");  // a view for the ops themselves
    CHECK(missing(wanted, ops) == Names{});
}

TEST_CASE("the cases have names of their own and say what they cost", "[case_table]") {
    Names names;
    for (const Case& c : all_cases()) {
        INFO(c.name);
        CHECK(names.insert(c.name).second);
        CHECK_FALSE(c.op.empty());
        CHECK_FALSE(c.kernels.empty());
        CHECK_FALSE(c.inputs.empty());
        CHECK(c.build != nullptr);
        CHECK(c.terms >= 0);
        std::int64_t elements = 0;
        for (const Input& input : c.inputs) {
            CHECK_FALSE((input.differentiable && input.layout == Layout::Repeated));
            CHECK_FALSE((input.differentiable && input.values == Values::Labels));
            elements += input.shape.numel();
        }
        if (elements > 0) CHECK(c.bytes > 0.0);
    }
}

TEST_CASE("a case starts from the same numbers on every device", "[case_table]") {
    for (const Case& c : all_cases()) {
        if (c.flops > 1e5) continue;
        INFO(c.name);
        const auto exact = make_inputs(c, Device::reference(), {DType::F64});
        const auto fast = make_inputs(c, Device::cpu(), {DType::F32});
        for (std::size_t i = 0; i < exact.size(); ++i)
            CHECK((exact[i].to_vector() == fast[i].to_vector()));
    }
}
