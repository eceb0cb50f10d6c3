// One Catch test per case of the table, so that a case runs alone by its name and a failure prints
// the command that does so.
#pragma once

#include <catch2/catch.hpp>

#include "tests/cases/case.h"

namespace fovea::tests {

class CaseInvoker : public Catch::ITestInvoker {
public:
    CaseInvoker(const Case& c, void (*check)(const Case&)) : case_(c), check_(check) {}
    void invoke() const override { check_(case_); }

private:
    const Case& case_;
    void (*check_)(const Case&);
};

/// Registers "prefix: case" for every wanted case. To be called while static objects are made.
template <class Wanted>
bool register_cases(const std::string& prefix, const std::string& tag, Wanted wanted,
                    void (*check)(const Case&)) {
    for (const Case& c : all_cases())
        if (wanted(c))
            Catch::AutoReg(new CaseInvoker(c, check), CATCH_INTERNAL_LINEINFO, "",
                           Catch::NameAndTags(prefix + ": " + c.name, tag));
    return true;
}

/// Does any input of the case want a gradient?
inline bool differentiable(const Case& c) {
    for (const Input& input : c.inputs)
        if (input.differentiable) return true;
    return false;
}

}  // namespace fovea::tests
