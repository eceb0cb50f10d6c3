#include "core/tape.h"

#include <cstdlib>

#include "core/error.h"
#include "core/tensor_impl.h"
#include "kernels/include/elementwise.h"
#include "kernels/include/reduce.h"

namespace fovea {
namespace {

thread_local Tape* current_tape = nullptr;

bool anomaly_mode() {
    const char* value = std::getenv("FOVEA_ANOMALY");
    return value != nullptr && value[0] == '1';
}

// Anomaly mode: the slots that the running backward has written to.
thread_local std::vector<GradSlot*>* touched_slots = nullptr;

bool has_nonfinite(const Tensor& t) {
    const Tensor count = Tensor::empty({1}, DType::I64, t.device());
    kernels::count_nonfinite(t.stream(), count.view(), t);
    return count.item() != 0;
}

}  // namespace

GradSink::Buffer GradSink::open() const {
    if (!slot_) return {};
    if (touched_slots != nullptr) touched_slots->push_back(slot_.get());
    Tensor& grad = slot_->grad;
    if (!grad.defined()) {
        grad = Tensor::empty(slot_->shape, slot_->dtype, slot_->device);
        return {grad.view(), GradMode::Overwrite};
    }
    // Another slot may hold the same tensor (the two inputs of an addition): then take a copy first.
    if (!slot_->fixed && !grad.unique()) grad = grad.clone();
    return {grad.view(), GradMode::Accumulate};
}

void GradSink::add(Tensor g) const {
    if (!slot_) return;
    if (touched_slots != nullptr) touched_slots->push_back(slot_.get());
    if (!(g.shape() == slot_->shape))
        throw Error("B01", "backward: gradient " + to_string(g.shape()) +
                               " for a tensor of shape " + to_string(slot_->shape));
    Tensor& grad = slot_->grad;
    if (!grad.defined()) {
        grad = g.contiguous();
        return;
    }
    const Buffer buffer = open();
    kernels::axpby(grad.stream(), buffer.view, g.contiguous().cview(), 1.0, 1.0);
}

const Tensor& Saved::get() const {
    if (tensor_.defined() && tensor_.version() != version_)
        throw Error("B02", "a tensor of shape " + to_string(tensor_.shape()) +
                               " that backward needs was written to after the forward pass");
    return tensor_;
}

Node::Node() : recording_(Tape::current() != nullptr) {}

GradSink Node::sink(const Tensor& input) {
    if (!recording_ || !input.requires_grad()) return {};
    wanted_ = true;
    return GradSink(input.grad_slot());
}

Tape::Tape() : previous_(current_tape) { current_tape = this; }
Tape::~Tape() { current_tape = previous_; }
Tape* Tape::current() { return current_tape; }

void Tape::record(std::unique_ptr<Node> node, Tensor& output) {
    if (anomaly_mode() && has_nonfinite(output.contiguous()))
        throw Error("N03", std::string("the forward pass of ") + node->name() +
                               " made a number that is not finite (output shape " +
                               to_string(output.shape()) + ")");
    output.set_requires_grad();
    output.grad_slot()->leaf = false;
    entries_.push_back({std::move(node), output.grad_slot()});
}

void Tape::backward(const Tensor& loss, double seed) {
    if (loss.numel() != 1)
        throw Error("B01", "backward: needs one element, got " + to_string(loss.shape()));
    backward_from(loss, Tensor::full(loss.shape(), seed, loss.dtype(), loss.device()));
}

void Tape::backward_from(const Tensor& output, Tensor gradient) {
    const NoGrad no_recording;
    std::vector<GradSlot*> touched;
    const bool anomaly = anomaly_mode();
    if (!output.requires_grad())
        throw Error("B03", "backward: nothing recorded leads to this tensor");
    GradSink(output.grad_slot()).add(std::move(gradient));
    while (!entries_.empty()) {
        Entry entry = std::move(entries_.back());
        entries_.pop_back();
        if (!entry.slot->grad.defined()) continue;
        const Tensor dy = entry.slot->retain ? entry.slot->grad : std::move(entry.slot->grad);
        if (!entry.slot->retain) entry.slot->grad = Tensor();
        if (anomaly) touched_slots = &touched;
        {
            const gpu::Range range(entry.node->name());
            entry.node->backward(dy);
        }
        touched_slots = nullptr;
        for (const GradSlot* slot : touched)
            if (has_nonfinite(slot->grad))
                throw Error("N03", std::string("the backward pass of ") + entry.node->name() +
                                       " made a gradient that is not finite (shape " +
                                       to_string(slot->shape) + ")");
        touched.clear();
    }
}

NoGrad::NoGrad() : previous_(current_tape) { current_tape = nullptr; }
NoGrad::~NoGrad() { current_tape = previous_; }

}  // namespace fovea
