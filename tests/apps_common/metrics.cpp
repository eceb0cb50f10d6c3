#include "apps/common/metrics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/common/csv_table.h"
#include "apps/common/metrics_files.h"
#include "core/error.h"
#include "tests/apps_common/temp_folder.h"

using namespace fovea;
using namespace fovea::apps;

namespace {

Confusion confusion_of(const std::vector<int>& truth, const std::vector<int>& prediction, int n) {
    Confusion confusion(n);
    for (std::size_t i = 0; i < truth.size(); ++i) confusion.add(truth[i], prediction[i]);
    return confusion;
}

/// u(name, i) of the golden files' formula: FNV-1a of the name, then SplitMix64.
double unit(const std::string& name, std::uint64_t i) {
    std::uint64_t h = 0xCBF29CE484222325u;
    for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    std::uint64_t z = h + i * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return static_cast<double>(z >> 40) / 8388608.0 - 1.0;
}

void check_scores(const Scores& ours, const nlohmann::json& golden) {
    CHECK(ours.precision == Approx(golden["precision"].get<double>()).margin(1e-8));
    CHECK(ours.recall == Approx(golden["recall"].get<double>()).margin(1e-8));
    CHECK(ours.f1 == Approx(golden["f1"].get<double>()).margin(1e-8));
}

}  // namespace

TEST_CASE("scikit-learn's numbers for eight predictions of four classes") {
    const std::vector<int> y{0, 0, 1, 1, 2, 2, 2, 3}, p{0, 1, 1, 1, 2, 0, 2, 2};
    const Metrics m = scores_of(confusion_of(y, p, 4));
    const auto near = [](double x) { return Approx(x).margin(1e-7); };
    CHECK(m.top1 == 0.625);
    CHECK(m.macro.precision == near(.4583333));
    CHECK(m.macro.recall == near(.5416667));
    CHECK(m.macro.f1 == near(.4916667));
    CHECK(m.weighted.f1 == near(.575));
    CHECK(m.per_class[1].precision == near(.6666667));
    CHECK(m.per_class[3].f1 == 0.0);
    CHECK(m.confusion.counts ==
          std::vector<std::int64_t>{1, 1, 0, 0, 0, 2, 0, 0, 1, 0, 2, 0, 0, 0, 1, 0});
    CHECK(scores_of(confusion_of(y, p, 4), 1.0).macro.precision == near(.7083333));
    CHECK(scores_of(confusion_of(y, p, 5)).macro.f1 == near(.3933333));
    CHECK(scores_of(confusion_of(y, p, 5), 1.0).macro.f1 == near(.5933333));
}

TEST_CASE("top-k: of equal scores the higher class wins, arg-max takes the lowest") {
    const std::vector<std::vector<float>> scores{
        {.5f, .2f, .2f, .1f}, {.3f, .3f, .3f, .1f}, {.1f, .2f, .3f, .4f}};
    const auto share = [&](std::vector<std::int64_t> truth) {
        double hits = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            const auto best = top_k(scores[i], 2);
            hits += std::count(best.begin(), best.end(), truth[i]) > 0;
        }
        return hits / 3;
    };
    CHECK(share({0, 2, 0}) == Approx(2.0 / 3));
    CHECK(share({0, 0, 0}) == Approx(1.0 / 3));
    CHECK(arg_max(scores[1]) == 0);
    CHECK(top_k(scores[0], 9).size() == 4);
}

TEST_CASE("golden metric files") {
    int files = 0;
    const std::string folder = std::string(FOVEA_SOURCE_DIR) + "/tests/golden/metrics";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const auto golden = nlohmann::json::parse(test::read(entry.path()));
        const std::string id = golden["id"];
        CAPTURE(id);
        ++files;
        const auto truth = golden["y_true"].get<std::vector<std::int64_t>>();
        const auto classes = golden["config"]["classes"].get<std::size_t>();
        const auto silent = golden["config"]["drop_pred"].get<std::vector<std::size_t>>();
        Evaluation evaluation(static_cast<std::int64_t>(classes));
        for (std::size_t i = 0; i < truth.size(); ++i) {  // one by one: no batch effect
            std::vector<float> scores(classes);
            for (std::size_t k = 0; k < classes; ++k) {
                double s = static_cast<float>(unit(id + ".scores", i * classes + k));
                if (static_cast<std::size_t>(truth[i]) == k)
                    s += golden["config"]["boost"].get<double>();
                scores[k] = static_cast<float>(s);
            }
            for (const std::size_t k : silent) scores[k] = -9.0f;
            REQUIRE(arg_max(scores) == golden["y_pred"][i].get<std::int64_t>());
            evaluation.add(scores, std::span(&truth[i], 1));
        }
        const Metrics m = evaluation.metrics();
        CHECK(m.top1 == Approx(golden["accuracy"].get<double>()).margin(1e-8));
        CHECK(m.balanced_accuracy ==
              Approx(golden["balanced_accuracy"].get<double>()).margin(1e-8));
        CHECK(m.loss == Approx(golden["log_loss of softmax(scores)"].get<double>()).margin(1e-7));
        if (golden.contains("top5"))
            CHECK(m.top5 == Approx(golden["top5"].get<double>()).margin(1e-8));
        const auto& rows = golden["confusion_matrix rows=true columns=predicted"];
        for (std::size_t t = 0; t < classes; ++t)
            for (std::size_t p = 0; p < classes; ++p)
                REQUIRE(
                    m.confusion.at(static_cast<std::int64_t>(t), static_cast<std::int64_t>(p)) ==
                    rows[t][p].get<std::int64_t>());
        for (const int zero : {0, 1}) {
            const Metrics scores = scores_of(m.confusion, zero);
            const auto& expected = golden["zero_division=" + std::to_string(zero)];
            check_scores(scores.macro, expected["macro"]);
            check_scores(scores.weighted, expected["weighted"]);
            for (std::size_t k = 0; k < classes; ++k) {
                CHECK(scores.per_class[k].f1 ==
                      Approx(expected["None"]["f1"][k].get<double>()).margin(1e-8));
                CHECK(scores.per_class[k].precision ==
                      Approx(expected["None"]["precision"][k].get<double>()).margin(1e-8));
            }
        }
    }
    CHECK(files == 6);
}

TEST_CASE("cross-entropy of the loss fixture, and of huge logits") {
    Evaluation evaluation(3);
    const std::vector<float> logits{2, .5f, -1, .1f, 1.2f, .3f};
    const std::vector<std::int64_t> labels{0, 2};
    evaluation.add(logits, labels);
    CHECK(evaluation.metrics().loss == Approx(.8474374732).margin(1e-8));
    const std::vector<float> huge{1e30f, 0, -1e30f};
    CHECK(log_softmax_at(huge, 0) == 0.0);
}

TEST_CASE("non-finite logits are wrong, labels out of range are our bug") {
    Evaluation evaluation(2);
    const std::vector<float> logits{NAN, 0, 3, 0};
    const std::vector<std::int64_t> labels{0, 0}, bad{0, 2};
    evaluation.add(logits, labels);
    const Metrics m = evaluation.metrics();
    CHECK(m.nonfinite == 1);
    CHECK(m.top1 == 0.5);
    CHECK(std::isnan(m.loss));
    CHECK_THROWS_AS(evaluation.add(logits, bad), Error);
}

TEST_CASE("Wilson interval") {
    // By hand: p = 0.8, n = 100, z = 1.959964.
    CHECK(wilson(80, 100).low == Approx(0.711170).margin(1e-5));
    CHECK(wilson(80, 100).high == Approx(0.866633).margin(1e-5));
    CHECK(wilson(0, 10).low == 0.0);
    CHECK(wilson(10, 10).high == Approx(1.0));
    CHECK(wilson(0, 0).high == 1.0);
}

TEST_CASE("files of an evaluation, with names that need quoting") {
    test::TempFolder folder;
    const std::vector<std::string> names{"a,b", "say \"hi\"", "two\nlines|bar"};
    Confusion confusion(3);
    confusion.add(0, 0);
    confusion.add(1, 2);
    confusion.add(2, 2);
    write_eval_files(folder.path, scores_of(confusion), names);
    const CsvTable table = read_csv(folder.path / "confusion.csv");
    REQUIRE(table.rows.size() == 3);
    CHECK(table.columns[1] == "a,b");
    CHECK(table.rows[2][0] == "two\nlines|bar");
    CHECK(table.rows[1][3] == "1");
    const CsvTable per_class = read_csv(folder.path / "per_class.csv");
    CHECK(per_class.columns == std::vector<std::string>{"class", "n", "precision", "recall", "f1"});
    CHECK(per_class.number(2, "precision") == 0.5);
    const auto json = nlohmann::json::parse(test::read(folder.path / "metrics.json"));
    CHECK(json["top1"].get<double>() == Approx(2.0 / 3));

    PredictionsFile predictions(folder.path / "predictions.csv", names);
    predictions.add("x.png", 1, std::vector<float>{0, 0, 0});
    predictions.add("y.png", -1, std::vector<float>{0, 0, 9});
    predictions.finish();
    const CsvTable rows = read_csv(folder.path / "predictions.csv");
    REQUIRE(rows.rows.size() == 2);
    CHECK(rows.text(0, "true") == "say \"hi\"");
    CHECK(rows.text(0, "pred") == "a,b");  // ties: the first, as top-1 counts
    CHECK(rows.number(0, "prob") == Approx(1.0 / 3).margin(1e-8));
    CHECK(rows.text(1, "true").empty());
    CHECK(rows.text(1, "top5_labels") == "two\nlines/bar|say \"hi\"|a,b");
}
