// Every key of every shipped recipe, damaged in several ways, must be refused with its line number.
#include <catch2/catch.hpp>

#include "apps/common/embedded_recipes.h"
#include "apps/common/recipe.h"
#include "core/error.h"

using namespace fovea;
using namespace fovea::apps;

namespace {

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines(1);
    for (const char c : text) {
        if (c == '\n') {
            lines.emplace_back();
        } else {
            lines.back() += c;
        }
    }
    return lines;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

/// The Error of reading `text`; fails the test if there is none.
Error error_of(const std::string& text) {
    Config config;
    try {
        apply_toml(config, text, "test.toml", {});
    } catch (const Error& error) {
        return error;
    }
    FAIL("accepted:\n" << text);
    return Error("", "");
}

struct Line {
    std::size_t index;
    std::string key;   // the whole key, "optim.lr"
    std::string name;  // as in the file, "lr"
};

std::vector<Line> keys_of(const std::vector<std::string>& lines) {
    std::vector<Line> keys;
    std::string table;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::string& line = lines[i];
        if (line.starts_with("[")) table = line.substr(1, line.find(']') - 1);
        const std::size_t equals = line.find(" = ");
        if (equals == std::string::npos || line.starts_with("#") || table.empty()) continue;
        const std::string name = line.substr(0, equals);
        keys.push_back({i, table + "." + name, name});
    }
    return keys;
}

/// Shipped recipes, and the resolved defaults, which hold every key.
std::vector<std::string> recipe_texts() {
    std::vector<std::string> texts{Config().to_toml()};
    for (const EmbeddedRecipe& recipe : embedded_recipes()) texts.emplace_back(recipe.text);
    return texts;
}

}  // namespace

TEST_CASE("a dropped letter in any key is refused with line and the right suggestion") {
    int tried = 0, right = 0;
    for (const std::string& text : recipe_texts()) {
        const std::vector<std::string> lines = lines_of(text);
        for (const Line& key : keys_of(lines)) {
            for (std::size_t drop = 0; drop < key.name.size(); ++drop) {
                std::string mutant = key.name;
                mutant.erase(drop, 1);
                if (mutant.empty()) continue;
                std::vector<std::string> damaged = lines;
                damaged[key.index].replace(0, key.name.size(), mutant);
                const Error error = error_of(joined(damaged));
                CAPTURE(key.key, mutant);
                REQUIRE(error.code() == "C02");
                REQUIRE(error.at() == "test.toml:" + std::to_string(key.index + 1));
                ++tried;
                right += error.attempt() == key.key;
            }
        }
    }
    INFO(right << " of " << tried << " suggestions right");
    CHECK(tried > 300);
    CHECK(right >= 0.95 * tried);
}

TEST_CASE("a value of the wrong type is refused with its line") {
    int tried = 0;
    for (const std::string& text : recipe_texts()) {
        const std::vector<std::string> lines = lines_of(text);
        for (const Line& key : keys_of(lines)) {
            const bool is_text =
                std::holds_alternative<std::string>(find_key(key.key)->default_value);
            for (const char* wrong :
                 {is_text ? "7" : "\"seven\"", "1979-05-27", "{ a = 1 }", "[[1]]", "[\"a\"]"}) {
                std::vector<std::string> damaged = lines;
                damaged[key.index] = key.name + " = " + wrong;
                const Error error = error_of(joined(damaged));
                CAPTURE(key.key, wrong);
                REQUIRE(error.code() == "C03");
                REQUIRE(error.at() == "test.toml:" + std::to_string(key.index + 1));
                REQUIRE_FALSE(error.attempt().empty());
                ++tried;
            }
        }
    }
    CHECK(tried > 200);
}

TEST_CASE("a value out of range is refused with its line") {
    int tried = 0;
    for (const std::string& text : recipe_texts()) {
        const std::vector<std::string> lines = lines_of(text);
        for (const Line& key : keys_of(lines)) {
            const KeySpec& spec = *find_key(key.key);
            std::vector<std::string> wrong;
            switch (spec.default_value.index()) {
                case 0: continue;  // both values of a switch are right
                case 1: wrong = {"-20", "9223372036854775807"}; break;
                case 2: wrong = {"-20.5", "nan", "inf"}; break;
                case 3:
                    wrong = {"\"a\\u0007b\""};
                    if (spec.range[0] != '\0') wrong.emplace_back("\"nonsense\"");
                    break;
                default: wrong = {"[0.5, 99.0]", "[nan]"}; break;
            }
            for (const std::string& value : wrong) {
                std::vector<std::string> damaged = lines;
                damaged[key.index] = key.name + " = " + value;
                const Error error = error_of(joined(damaged));
                CAPTURE(key.key, value);
                REQUIRE(error.code() == "C04");
                REQUIRE(error.at() == "test.toml:" + std::to_string(key.index + 1));
                ++tried;
            }
        }
    }
    CHECK(tried > 80);
}

TEST_CASE("tables, duplicates and things that are no TOML") {
    const auto check = [](const std::string& text, const std::string& code, const std::string& at,
                          const std::string& attempt) {
        const Error error = error_of(text);
        CAPTURE(text);
        CHECK(error.code() == code);
        CHECK(error.at() == at);
        CHECK(error.attempt() == attempt);
    };
    check("[optm]\nlr = 1e-3\n", "C02", "test.toml:1", "[optim]");
    check("lr = 1e-3\n", "C02", "test.toml:1", "optim.lr");
    check("\nbse = \"x.toml\"\n", "C02", "test.toml:2", "base");
    check("[optim]\nlr.peak = 1\n", "C03", "test.toml:2", "optim.lr = 0.001");
    check("[model]\nlr = 1e-3\n", "C02", "test.toml:2", "optim.lr");
    check("[optim]\nname = \"adamv\"\n", "C04", "test.toml:2", "optim.name = \"adamw\"");
    check("optim = 3\n", "C02", "test.toml:1", "--help-all lists all keys");
    CHECK(error_of("[optim]\nlr = 1e-3\nlr = 2e-3\n").code() == "C06");
    CHECK(error_of("[optim]\nlr = = 1\n").at() == "test.toml:2");
    CHECK(error_of("base = 7\n").code() == "C03");
    CHECK(error_of("base = \"cvt_28_quik\"\n").attempt() == "cvt_28_quick");
    CHECK(error_of("base = \"cvt_28_quick\"\n").code() == "C07");  // which has a base itself
    CHECK(error_of(std::string(100000, '[')).code() == "C06");
}
