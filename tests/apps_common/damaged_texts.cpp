// Texts that once went wrong, or might: recipes that confuse the TOML parser, and model descriptions
// that are none.
#include <catch2/catch.hpp>

#include "apps/common/model_card.h"
#include "apps/common/recipe.h"
#include "core/error.h"

using namespace fovea;
using namespace fovea::apps;

namespace {

std::string recipe_code(const std::string& text) {
    Config config;
    try {
        apply_toml(config, text, "test.toml", {});
    } catch (const Error& error) {
        return error.code();
    }
    return "accepted";
}

std::string card_code(const std::string& text) {
    try {
        class_names_in_card(text, "config.json");
    } catch (const Error& error) {
        return error.code();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("damaged recipes are errors", "[apps_common]") {
    for (const char* text :
         {"[[[", "a = [[]\xC6\x89 1]", "\xC9\xA0 = 1", "lr = 1 \xC3\xA9", "\xFF"})
        CHECK(recipe_code(text) == "C06");
    CHECK(recipe_code("[data]\npath = \"\xC3\xA9\"  # \xC6\x89\n") == "accepted");
}

TEST_CASE("a model description gives its class names", "[apps_common]") {
    using Names = std::vector<std::string>;
    CHECK(class_names_in_card(model_card(Config(), {"cat", "dog"}), "") == Names{"cat", "dog"});
    CHECK(class_names_in_card(R"({"num_classes": 3, "label_names": ["a", 1]})", "") ==
          Names{"a", "class 1", "class 2"});
    CHECK(class_names_in_card(R"({"num_classes": 1, "label_names": {"a": 0}})", "") ==
          Names{"class 0"});
}

TEST_CASE("what is no model description is an error", "[apps_common]") {
    for (const char* text :
         {"", "[]", "{", "{}", R"({"num_classes": -1})", R"({"num_classes": 2.0})",
          R"({"num_classes": "2"})", R"({"num_classes": 18446744073709551615})",
          R"({"num_classes": 1000001})", "{\"num_classes\": 1, \"label_names\": [\"\xFF\"]}"})
        CHECK(card_code(text) == "K19");
    CHECK(card_code(R"({"num_classes": 1000000})") == "accepted");
}
