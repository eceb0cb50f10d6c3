#include "apps/common/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "core/error.h"

namespace fovea::apps {
namespace {

double ratio(double numerator, double denominator, double zero_division) {
    return denominator == 0 ? zero_division : numerator / denominator;
}

bool finite(std::span<const float> values) {
    return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace

Interval wilson(std::int64_t hits, std::int64_t n) {
    if (n == 0) return {0, 1};
    constexpr double z = 1.959964;  // 97.5% quantile of the normal distribution
    const auto count = static_cast<double>(n);
    const double p = static_cast<double>(hits) / count;
    const double centre = p + z * z / (2 * count);
    const double half = z * std::sqrt(p * (1 - p) / count + z * z / (4 * count * count));
    const double scale = 1 + z * z / count;
    return {std::max(0.0, (centre - half) / scale), std::min(1.0, (centre + half) / scale)};
}

Metrics scores_of(const Confusion& confusion, double zero_division) {
    Metrics m;
    m.confusion = confusion;
    std::int64_t hits = 0, classes_with_images = 0;
    for (std::int64_t k = 0; k < confusion.classes; ++k) {
        ClassScores c;
        for (std::int64_t j = 0; j < confusion.classes; ++j) {
            c.n += confusion.at(k, j);
            c.predicted += confusion.at(j, k);
        }
        const std::int64_t correct = confusion.at(k, k);
        const auto true_positive = static_cast<double>(correct);
        const auto support = static_cast<double>(c.n), predicted = static_cast<double>(c.predicted);
        c.precision = ratio(true_positive, predicted, zero_division);
        c.recall = ratio(true_positive, support, zero_division);
        c.f1 = ratio(2 * true_positive, support + predicted, zero_division);
        hits += correct;
        m.n += c.n;
        if (c.n > 0) ++classes_with_images, m.balanced_accuracy += c.recall;
        m.macro.precision += c.precision;
        m.macro.recall += c.recall;
        m.macro.f1 += c.f1;
        m.weighted.precision += support * c.precision;
        m.weighted.recall += support * c.recall;
        m.weighted.f1 += support * c.f1;
        m.per_class.push_back(c);
    }
    const auto divide = [](Scores& s, std::int64_t by) {
        if (by == 0) return;
        const auto divisor = static_cast<double>(by);
        s.precision /= divisor;
        s.recall /= divisor;
        s.f1 /= divisor;
    };
    divide(m.macro, confusion.classes);
    divide(m.weighted, m.n);
    if (classes_with_images > 0) m.balanced_accuracy /= static_cast<double>(classes_with_images);
    if (m.n > 0) m.top1 = static_cast<double>(hits) / static_cast<double>(m.n);
    const Interval interval = wilson(hits, m.n);
    m.top1_low = interval.low;
    m.top1_high = interval.high;
    return m;
}

std::vector<std::int64_t> top_k(std::span<const float> scores, std::int64_t k) {
    std::vector<std::int64_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::int64_t{0});
    const auto kept = std::min(k, static_cast<std::int64_t>(order.size()));
    std::partial_sort(order.begin(), order.begin() + kept, order.end(),
                      [&](std::int64_t a, std::int64_t b) {
                          const float x = scores[static_cast<std::size_t>(a)];
                          const float y = scores[static_cast<std::size_t>(b)];
                          return x != y ? x > y : a > b;
                      });
    order.resize(static_cast<std::size_t>(kept));
    return order;
}

std::int64_t arg_max(std::span<const float> scores) {
    return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

double log_softmax_at(std::span<const float> logits, std::int64_t index) {
    const double top = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float z : logits) sum += std::exp(static_cast<double>(z) - top);
    return static_cast<double>(logits[static_cast<std::size_t>(index)]) - top - std::log(sum);
}

Evaluation::Evaluation(std::int64_t classes) : confusion_(classes) {}

void Evaluation::add(std::span<const float> logits, std::span<const std::int64_t> labels) {
    const auto classes = static_cast<std::size_t>(confusion_.classes);
    if (logits.size() != labels.size() * classes) {
        throw Error("B02", "Evaluation::add: " + std::to_string(logits.size()) + " logits for " +
                               std::to_string(labels.size()) + " labels and " +
                               std::to_string(classes) + " classes");
    }
    for (std::size_t b = 0; b < labels.size(); ++b) {
        const std::int64_t label = labels[b];
        if (label < 0 || label >= confusion_.classes)
            throw Error("B02", "Evaluation::add: label " + std::to_string(label) + " of " +
                                   std::to_string(classes) + " classes");
        const std::span<const float> row = logits.subspan(b * classes, classes);
        ++n_;
        if (!finite(row)) {
            // Wrong by decision: the next class, so that no NaN ever counts as a hit.
            ++nonfinite_;
            loss_sum_ += NAN;
            confusion_.add(label, (label + 1) % confusion_.classes);
            continue;
        }
        const std::int64_t prediction = arg_max(row);
        confusion_.add(label, prediction);
        top1_hits_ += prediction == label;
        const std::vector<std::int64_t> best = top_k(row, 5);
        top5_hits_ += std::find(best.begin(), best.end(), label) != best.end();
        loss_sum_ -= log_softmax_at(row, label);
    }
}

Metrics Evaluation::metrics() const {
    Metrics m = scores_of(confusion_);
    m.nonfinite = nonfinite_;
    if (n_ == 0) return m;
    m.loss = loss_sum_ / static_cast<double>(n_);
    m.top5 = static_cast<double>(top5_hits_) / static_cast<double>(n_);
    m.top1 = static_cast<double>(top1_hits_) / static_cast<double>(n_);
    return m;
}

}  // namespace fovea::apps
