#include "core/ops/loss.h"

#include "core/ops/check.h"
#include "core/ops/elementwise.h"
#include "core/ops/reduce.h"
#include "core/ops/shape_ops.h"
#include "core/tape.h"
#include "kernels/include/loss.h"

namespace fovea::ops {
namespace {

// Per-row losses [B]. Forward computes the gradient too, while the row is in cache; backward only
// scales it.
struct CrossEntropyOp : Node {
    const char* name() const override { return "cross_entropy"; }

    /// labels [B] with smoothing, or soft targets [B,C] (smoothing unused).
    Tensor forward(const Tensor& logits, const Tensor& targets, double smoothing) {
        check(logits.rank() == 2, "cross_entropy", "logits [B,C]", logits);
        check(targets.rank() == 2 ? targets.shape() == logits.shape()
                                  : targets.rank() == 1 && targets.size(0) == logits.size(0),
              "cross_entropy", "labels [B] or targets [B,C]", logits, targets);
        dlogits_ = sink(logits);
        if (dlogits_) gradient_ = Tensor::empty(logits.shape(), logits.dtype(), logits.device());
        Tensor loss = Tensor::empty({logits.size(0)}, wide(logits.dtype()), logits.device());
        if (targets.rank() == 2)
            kernels::soft_target_cross_entropy(logits.stream(), loss.view(), gradient_.view(),
                                               logits, targets);
        else
            kernels::softmax_cross_entropy(logits.stream(), loss.view(), gradient_.view(), logits,
                                           targets, smoothing);
        return loss;
    }

    void backward(const Tensor& dloss) override {
        const NoGrad no_recording;
        // In the loss's dtype, as BF16 would round 1/B before multiplying with it.
        const Tensor product = mul(gradient_.to(dloss.dtype()), dloss.reshape({dloss.size(0), 1}));
        dlogits_.add(product.to(gradient_.dtype()));
    }

private:
    GradSink dlogits_;
    Tensor gradient_;
};

Tensor reduced(const Tensor& losses, Reduction reduction) {
    switch (reduction) {
        case Reduction::Mean: return mean(losses, {0});
        case Reduction::Sum: return sum(losses, {0});
        case Reduction::None: break;
    }
    return losses;
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, double smoothing,
                     Reduction reduction) {
    check(labels.rank() == 1 && labels.dtype() == DType::I64, "cross_entropy", "labels [B] of I64",
          labels);
    return reduced(apply<CrossEntropyOp>(contiguous(logits), contiguous(labels), smoothing),
                   reduction);
}

Tensor soft_cross_entropy(const Tensor& logits, const Tensor& targets, Reduction reduction) {
    const Tensor given = targets.to(wide(logits.dtype()));
    return reduced(apply<CrossEntropyOp>(contiguous(logits), contiguous(given), 0.0), reduction);
}

}  // namespace fovea::ops
