#include "apps/common/metrics_files.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/common/csv_table.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"

namespace fovea::apps {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Scores& s) {
    return {{"precision", s.precision}, {"recall", s.recall}, {"f1", s.f1}};
}

void check_names(const Metrics& metrics, std::span<const std::string> names) {
    if (names.size() == metrics.per_class.size()) return;
    throw Error("B02", std::to_string(names.size()) + " names for " +
                           std::to_string(metrics.per_class.size()) + " classes");
}

std::string per_class_csv(const Metrics& metrics, std::span<const std::string> names) {
    std::string text = "class,n,precision,recall,f1\n";
    for (std::size_t k = 0; k < names.size(); ++k) {
        const ClassScores& c = metrics.per_class[k];
        text += csv_line({names[k], std::to_string(c.n), csv_number(c.precision),
                          csv_number(c.recall), csv_number(c.f1)}) +
                "\n";
    }
    return text;
}

std::string confusion_csv(const Metrics& metrics, std::span<const std::string> names) {
    std::vector<std::string> cells{"true\\pred"};
    cells.insert(cells.end(), names.begin(), names.end());
    std::string text = csv_line(cells) + "\n";
    for (std::size_t k = 0; k < names.size(); ++k) {
        cells.assign(1, names[k]);
        for (std::size_t j = 0; j < names.size(); ++j)
            cells.push_back(std::to_string(
                metrics.confusion.at(static_cast<std::int64_t>(k), static_cast<std::int64_t>(j))));
        text += csv_line(cells) + "\n";
    }
    return text;
}

}  // namespace

std::string metrics_json(const Metrics& m, std::span<const std::string> names) {
    check_names(m, names);
    Json json;
    json["n"] = m.n;
    json["classes"] = m.confusion.classes;
    json["loss"] = m.loss;
    json["top1"] = m.top1;
    json["top1_wilson95"] = {m.top1_low, m.top1_high};
    json["top5"] = m.top5;
    json["balanced_accuracy"] = m.balanced_accuracy;
    json["macro"] = to_json(m.macro);
    json["weighted"] = to_json(m.weighted);
    json["nonfinite"] = m.nonfinite;
    json["per_class"] = Json::array();
    for (std::size_t k = 0; k < names.size(); ++k) {
        Json entry{{"class", names[k]}, {"n", m.per_class[k].n}};
        entry.update(to_json(m.per_class[k]));
        json["per_class"].push_back(entry);
    }
    // A NaN loss becomes null; class names that are no UTF-8 are repaired.
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_eval_files(const std::filesystem::path& folder, const Metrics& metrics,
                      std::span<const std::string> names) {
    check_names(metrics, names);
    write_text_atomically((folder / "metrics.json").string(), metrics_json(metrics, names));
    write_text_atomically((folder / "per_class.csv").string(), per_class_csv(metrics, names));
    write_text_atomically((folder / "confusion.csv").string(), confusion_csv(metrics, names));
}

Prediction predict_one(const std::string& filename, std::int64_t truth,
                       std::span<const float> logits) {
    Prediction prediction{filename, truth, top_k(logits, 5), {}};
    // Ties: the prediction is NumPy's argmax everywhere, also as the first of the five.
    const std::int64_t first = arg_max(logits);
    auto& labels = prediction.top_labels;
    const auto at = std::find(labels.begin(), labels.end(), first);
    if (at == labels.end() && !labels.empty()) {
        labels.pop_back();
        labels.insert(labels.begin(), first);
    } else if (at != labels.end()) {
        std::rotate(labels.begin(), at, at + 1);
    }
    for (const std::int64_t label : labels)
        prediction.top_probs.push_back(std::exp(log_softmax_at(logits, label)));
    return prediction;
}

PredictionsFile::PredictionsFile(std::filesystem::path file, std::vector<std::string> names)
    : file_(std::move(file)), names_(std::move(names)) {
    text_ = "filename,true,pred,prob,top5_labels,top5_probs\n";
}

void PredictionsFile::add(const std::string& filename, std::int64_t truth,
                          std::span<const float> logits) {
    add(predict_one(filename, truth, logits));
}

void PredictionsFile::add(const Prediction& prediction) {
    const auto name = [&](std::int64_t label) {
        return label < 0 ? std::string{} : names_.at(static_cast<std::size_t>(label));
    };
    std::string labels, probs;
    for (std::size_t i = 0; i < prediction.top_labels.size(); ++i) {
        std::string label = name(prediction.top_labels[i]);
        std::replace(label.begin(), label.end(), '|', '/');
        labels += (i > 0 ? "|" : "") + label;
        probs += (i > 0 ? "|" : "") + csv_number(prediction.top_probs[i]);
    }
    const bool any = !prediction.top_labels.empty();
    text_ += csv_line({prediction.filename, name(prediction.truth),
                       any ? name(prediction.top_labels[0]) : "",
                       any ? csv_number(prediction.top_probs[0]) : "", labels, probs}) +
             "\n";
}

void PredictionsFile::finish() { write_text_atomically(file_.string(), text_); }

}  // namespace fovea::apps
