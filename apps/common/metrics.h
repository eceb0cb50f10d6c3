// Classification metrics over a whole data set, in scikit-learn's conventions.
//
//     Evaluation eval(10);
//     eval.add(logits, labels);              // batch after batch, host memory
//     Metrics m = eval.metrics();            // m.top1, m.macro.f1, m.per_class[3].recall
//     write_eval_files(run.eval(), m, class_names);                  // metrics_files.h
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace fovea::apps {

/// Precision TP/(TP+FP), recall TP/(TP+FN), F1 2TP/(2TP+FP+FN).
struct Scores {
    double precision = 0, recall = 0, f1 = 0;
};

struct ClassScores : Scores {
    std::int64_t n = 0;          ///< images of this class (support)
    std::int64_t predicted = 0;  ///< images put into this class
};

/// Counts[truth * classes + prediction].
struct Confusion {
    std::int64_t classes = 0;
    std::vector<std::int64_t> counts;

    explicit Confusion(std::int64_t n = 0)
        : classes(n), counts(static_cast<std::size_t>(n * n), 0) {}
    std::int64_t at(std::int64_t truth, std::int64_t prediction) const {
        return counts[static_cast<std::size_t>(truth * classes + prediction)];
    }
    void add(std::int64_t truth, std::int64_t prediction) {
        ++counts[static_cast<std::size_t>(truth * classes + prediction)];
    }
};

/// Shares are 0..1.
struct Metrics {
    std::int64_t n = 0;
    double loss = 0;  ///< mean cross-entropy in nats, no smoothing
    double top1 = 0, top5 = 0;
    double top1_low = 0, top1_high = 0;  ///< Wilson 95% interval
    double balanced_accuracy = 0;        ///< mean recall of the classes that have images
    Scores macro;                        ///< plain mean over all classes
    Scores weighted;                     ///< mean weighted by n
    std::vector<ClassScores> per_class;
    Confusion confusion;
    std::int64_t nonfinite = 0;  ///< images whose logits hold a NaN or Inf; counted as wrong
};

struct Interval {
    double low = 0, high = 0;
};

/// Wilson's score interval of a share p = hits/n at 95% (E. B. Wilson 1927).
Interval wilson(std::int64_t hits, std::int64_t n);

/// Per-class, macro and weighted scores of a confusion matrix. A 0/0 counts as `zero_division`.
Metrics scores_of(const Confusion& confusion, double zero_division = 0.0);

/// The k classes of largest score; of equal ones the higher index comes first (scikit-learn's
/// top_k_accuracy_score). `scores`: (classes).
std::vector<std::int64_t> top_k(std::span<const float> scores, std::int64_t k);

/// The class of the largest score; of equal ones the lowest index (NumPy's argmax).
std::int64_t arg_max(std::span<const float> scores);

/// log of the softmax at `index`, in double.
double log_softmax_at(std::span<const float> logits, std::int64_t index);

/// Adds up predictions in the order given, so the same images give the same bits.
class Evaluation {
public:
    explicit Evaluation(std::int64_t classes);

    /// logits: (B, classes) row-major; labels: (B), each in 0..classes-1 (Error B02 otherwise).
    void add(std::span<const float> logits, std::span<const std::int64_t> labels);

    std::int64_t size() const { return n_; }
    Metrics metrics() const;

private:
    Confusion confusion_;
    std::int64_t n_ = 0, top1_hits_ = 0, top5_hits_ = 0, nonfinite_ = 0;
    double loss_sum_ = 0;
};

}  // namespace fovea::apps
