// The files of an evaluation: metrics.json, per_class.csv, confusion.csv, predictions.csv.
//
//     write_eval_files(run.eval(), metrics, class_names);
//     PredictionsFile predictions(run.eval() / "predictions.csv", class_names);
//     predictions.add("val/cat/1.png", label, logits_of_one_image);   // label -1 = unknown
//     predictions.finish();
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "apps/common/metrics.h"

namespace fovea::apps {

/// All scores as JSON, shares 0..1, numbers that round-trip.
std::string metrics_json(const Metrics& metrics, std::span<const std::string> names);

/// metrics.json, per_class.csv (class,n,precision,recall,f1), confusion.csv (first row and column:
/// class names; rows = truth), each atomically. `names`: one per class. Error F.. on failure.
void write_eval_files(const std::filesystem::path& folder, const Metrics& metrics,
                      std::span<const std::string> names);

/// One image's prediction.
struct Prediction {
    std::string filename;
    std::int64_t truth = -1;               ///< -1 = unknown
    std::vector<std::int64_t> top_labels;  ///< best first, at most 5
    std::vector<double> top_probs;
};

/// Softmax and top 5 of one image's logits (classes).
Prediction predict_one(const std::string& filename, std::int64_t truth,
                       std::span<const float> logits);

/// predictions.csv: filename,true,pred,prob,top5_labels,top5_probs; the lists are joined by "|"
/// (a "|" in a class name becomes "/"). The file appears, complete, at finish().
class PredictionsFile {
public:
    PredictionsFile(std::filesystem::path file, std::vector<std::string> names);
    void add(const Prediction& prediction);
    void add(const std::string& filename, std::int64_t truth, std::span<const float> logits);
    void finish();

private:
    std::filesystem::path file_;
    std::vector<std::string> names_;
    std::string text_;
};

}  // namespace fovea::apps
