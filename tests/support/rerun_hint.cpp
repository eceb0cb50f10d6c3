// After a failing case, prints the command that runs that case alone.
#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include <catch2/catch.hpp>

#include <iostream>
#include <string>

namespace {

struct RerunHint : Catch::TestEventListenerBase {
    using Catch::TestEventListenerBase::TestEventListenerBase;

    void testRunStarting(const Catch::TestRunInfo& run) override { program_ = run.name; }

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        if (stats.totals.assertions.failed == 0) return;
        std::string filter;  // Catch reads a comma as "or", brackets as a tag
        for (const char c : stats.testInfo.name) {
            if (c == '\'') filter += "'\\'";
            if (c == ',' || c == '[' || c == '"' || c == '\\') filter += '\\';
            filter += c;
        }
        std::cout << "To run this case alone:  " << FOVEA_BINARY_DIR "/tests/" << program_ << " '"
                  << filter << "'\n";
    }

    std::string program_;
};

}  // namespace

CATCH_REGISTER_LISTENER(RerunHint)
