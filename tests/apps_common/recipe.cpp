#include "apps/common/recipe.h"

#include <catch2/catch.hpp>
#include <set>

#include "apps/common/embedded_recipes.h"
#include "core/error.h"
#include "core/suggest.h"
#include "tests/apps_common/temp_folder.h"

using namespace fovea;
using namespace fovea::apps;

TEST_CASE("the schema is sound: unique keys and flags, defaults within their ranges") {
    std::set<std::string> keys, flags;
    for (const KeySpec& spec : schema()) {
        CAPTURE(spec.key);
        CHECK(keys.insert(spec.key).second);
        if (spec.flag[0] != '\0') CHECK(flags.insert(spec.flag).second);
        Config config;
        CHECK_NOTHROW(config.set(spec.key, spec.default_value, "test"));
        CHECK(std::string(spec.doc).size() > 4);
    }
}

TEST_CASE("every shipped recipe resolves") {
    CHECK(embedded_recipes().size() >= 4);
    for (const EmbeddedRecipe& recipe : embedded_recipes()) {
        CAPTURE(recipe.name);
        const Config config =
            resolve({.recipe = std::string(recipe.name), .sets = {}, .flags = {}});
        CHECK(config.get<double>("model.drop_path") == -1.0);  // with --model another's own holds
    }
}

TEST_CASE("defaults < base < file < --set < flags") {
    test::TempFolder folder;
    test::write(folder.path / "base.toml",
                "[optim]\nlr = 0.1\nweight_decay = 0.2\nbeta1 = 0.3\nbeta2 = 0.4\n");
    test::write(folder.path / "own.toml",
                "base = \"base.toml\"\n[optim]\nweight_decay = 0.5\nbeta1 = 0.6\nbeta2 = 0.7\n");
    const Config config = resolve({.recipe = (folder.path / "own.toml").string(),
                                   .sets = {"optim.beta1=0.8", "optim.beta2 = 0.85"},
                                   .flags = {{"--batch", "7"}}});
    CHECK(config.get<double>("optim.eps") == 1e-8);
    CHECK(config.get<double>("optim.lr") == 0.1);
    CHECK(config.get<double>("optim.weight_decay") == 0.5);
    CHECK(config.get<double>("optim.beta1") == 0.8);
    CHECK(config.get<int>("train.batch") == 7);
    CHECK(config.origin("optim.lr") == "base.toml:2");
    CHECK(config.origin("optim.weight_decay") == "own.toml:3");
    CHECK(config.origin("optim.beta1") == "--set");
    CHECK(config.origin("train.batch") == "--batch");
    CHECK(config.origin("optim.eps") == "default");
}

TEST_CASE("config.toml resolves to itself and is canonical") {
    Config config;
    config.set_text("data.mean", "0.1,0.2,0.30000000000000004", "test");
    config.set_text("data.std", "[1, 2, 3]", "test");
    config.set_text("data.path", "C:\\my \"data\" # not a comment", "test");
    config.set_text("optim.lr", "3e-4", "test");
    config.set_text("augment.flip", "true", "test");
    test::TempFolder folder;
    test::write(folder.path / "config.toml", config.to_toml());
    const Config again =
        resolve({.recipe = (folder.path / "config.toml").string(), .sets = {}, .flags = {}});
    CHECK(diff(config, again).empty());
    CHECK(again.to_toml() == config.to_toml());
    CHECK(again.hash() == config.hash());
    CHECK(again.get<std::vector<double>>("data.mean").at(2) == 0.30000000000000004);
}

TEST_CASE("the hash follows the maths and nothing else") {
    const Config before;
    for (const KeySpec& spec : schema()) {
        Config after;
        Value value = spec.default_value;
        if (auto* flag = std::get_if<bool>(&value)) *flag = !*flag;
        if (auto* integer = std::get_if<std::int64_t>(&value)) *integer += 1;
        if (auto* number = std::get_if<double>(&value)) *number = *number * 0.5 + 1e-9;
        if (auto* list = std::get_if<std::vector<double>>(&value)) list->push_back(0.5);
        if (auto* text = std::get_if<std::string>(&value)) {
            if (spec.range[0] == '\0') {
                *text += "x";
            } else {
                const std::string choices = spec.range;
                if (choices.find('|') == std::string::npos) continue;  // one choice only
                *text = choices.substr(choices.rfind('|') + 1);
            }
        }
        after.set(spec.key, value, "test");
        CAPTURE(spec.key);
        REQUIRE(diff(before, after).size() == 1);
        CHECK((before.hash() != after.hash()) == spec.alters_maths);
        if (spec.alters_maths) {
            CHECK_THROWS_AS(refuse_changes(before, after), Error);
        } else {
            CHECK_NOTHROW(refuse_changes(before, after));
        }
    }
}

TEST_CASE("a refused resume names the keys and both values") {
    Config before, after;
    after.set_text("optim.lr", "0.002", "--lr");
    after.set_text("data.loader_threads", "5", "--loader-threads");
    try {
        refuse_changes(before, after);
        FAIL("not refused");
    } catch (const Error& error) {
        CHECK(error.code() == "C08");
        CHECK_THAT(error.message(), Catch::Contains("optim.lr  0.001 -> 0.002"));
        CHECK_THAT(error.message(), !Catch::Contains("loader_threads"));
    }
}

TEST_CASE("keys that contradict each other") {
    const auto code = [](std::vector<std::string> sets) {
        try {
            resolve({.recipe = "", .sets = std::move(sets), .flags = {}});
        } catch (const Error& error) {
            return error.code();
        }
        return std::string("none");
    };
    CHECK(code({"train.epochs=5", "schedule.warmup=5"}) == "C09");
    CHECK(code({"train.epochs=6", "schedule.warmup=5"}) == "none");
    CHECK(code({"optim.lr=1e-6"}) == "C09");
    CHECK(code({"data.mean=0.5"}) == "C09");
    CHECK(code({"data.mean=0.5", "data.std=0.5"}) == "none");
    CHECK(code({"optim.lr"}) == "C03");
    CHECK(code({"optim.lr=1e-3x"}) == "C03");
    CHECK(code({"train.batch=1.5"}) == "C03");
}

TEST_CASE("edit distance") {
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("form", "from") == 1);  // two neighbours swapped
    const std::vector<std::string> names{"epochs", "batch"};
    CHECK(suggest("epoch", names) == "epochs");
    CHECK(suggest("zzzzzz", names).empty());
}
