// Tape: records ops in the order they ran; backward walks them in reverse. No sort, no recursion.
//
//     Tape tape;                                  // from here on ops are recorded
//     Tensor loss = ops::cross_entropy(model(x), labels);
//     tape.backward(loss);                        // parameters now hold gradients
//
// With no live tape nothing is recorded and nothing is saved: inference needs no flag.
#pragma once

#include <memory>
#include <vector>

#include "core/autograd.h"
#include "core/trace.h"
#include "kernels/include/gpu.h"

namespace fovea {

/// One recorded op. An op derives from Node, computes in forward() and takes what backward() will
/// need through sink() and save(), which are empty while nothing is recorded.
class Node {
public:
    Node();
    virtual ~Node() = default;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    virtual const char* name() const = 0;
    /// Adds the gradients of the inputs, from dy, the gradient of the output (contiguous).
    virtual void backward(const Tensor& dy) = 0;

    bool recording() const { return recording_; }
    bool wanted() const { return wanted_; }

protected:
    /// The gradient sink of an input; empty if the input wants no gradient.
    GradSink sink(const Tensor& input);
    Saved save(const Tensor& t) const { return recording_ ? Saved(t) : Saved(); }

private:
    bool recording_;
    bool wanted_ = false;
};

class Tape {
public:
    Tape();   ///< becomes the thread's current tape
    ~Tape();  ///< the previous one is current again
    Tape(const Tape&) = delete;
    Tape& operator=(const Tape&) = delete;

    /// The tape that records now, or null.
    static Tape* current();

    /// Runs every recorded op backwards from a one-element `loss` whose gradient is `seed`. A node and
    /// what it saved are dropped as soon as its backward has run, so a tape can be used once.
    /// With FOVEA_ANOMALY=1 throws N03 naming the op whose backward made the first NaN or infinity.
    void backward(const Tensor& loss, double seed = 1.0);
    /// The same from the gradient of any tensor.
    void backward_from(const Tensor& output, Tensor gradient);

    std::size_t size() const { return entries_.size(); }

    /// Used by apply(): makes `output` the result of `node`.
    void record(std::unique_ptr<Node> node, Tensor& output);

private:
    struct Entry {
        std::unique_ptr<Node> node;
        std::shared_ptr<GradSlot> slot;  ///< of the output
    };
    std::vector<Entry> entries_;
    Tape* previous_;
};

/// While it lives, nothing is recorded.
class NoGrad {
public:
    NoGrad();
    ~NoGrad();
    NoGrad(const NoGrad&) = delete;
    NoGrad& operator=(const NoGrad&) = delete;

private:
    Tape* previous_;
};

/// Runs an op: forward now, and onto the tape if any input wants a gradient. A trace writes the arguments
/// down in the order of Op::forward's parameters.
template <class Op, class... Args>
Tensor apply(const Args&... args) {
    auto op = std::make_unique<Op>();
    const gpu::Range range(op->name());  // names the op's kernels in a profile
    Tensor y = op->forward(args...);
    if (Trace* trace = Trace::current()) trace->record(op->name(), y, args...);
    if (op->wanted()) Tape::current()->record(std::move(op), y);
    return y;
}

}  // namespace fovea
