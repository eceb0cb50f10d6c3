#include "apps/onnx/batch_trace.h"

#include "core/error.h"
#include "layers/init.h"

namespace fovea::apps {
namespace {

// Neither is 1, which would make views dense that are not, and neither divides the other.
constexpr std::int64_t kFew = 2, kMany = 3;

struct Traced {
    std::vector<int> known;
    int input, output;
    bool operator==(const Traced&) const = default;
};

Traced run(Trace& trace, const std::function<Tensor(const Tensor&)>& f, std::int64_t batch,
           const Shape& image, const std::vector<Tensor>& known) {
    Traced out{{}, 0, 0};
    for (const Tensor& t : known) out.known.push_back(trace.number_of(t));
    const Tensor images = Tensor::zeros({batch, image[0], image[1], image[2]});
    init::uniform(images, 1.0, {static_cast<std::uint64_t>(batch), RandomStream::Augment, 0, 0});
    out.input = trace.number_of(images);
    const Trace::Scope scope(trace);
    out.output = trace.number_of(f(images));
    return out;
}

bool same_way(const Trace& a, const Trace& b) {
    if (a.ops().size() != b.ops().size()) return false;
    for (std::size_t i = 0; i < a.ops().size(); ++i) {
        const Trace::Op &x = a.ops()[i], &y = b.ops()[i];
        if (x.name != y.name || x.result != y.result || x.arguments.size() != y.arguments.size())
            return false;
        for (std::size_t j = 0; j < x.arguments.size(); ++j)
            if (x.arguments[j].tensors != y.arguments[j].tensors) return false;
    }
    return true;
}

}  // namespace

void refuse_onnx(const std::string& what, const std::string& model) {
    throw Error("K20", "ONNX has no form for " + what, model, "--format safetensors");
}

BatchTrace::BatchTrace(std::string model, const std::function<Tensor(const Tensor&)>& f,
                       const Shape& image, const std::vector<Tensor>& known)
    : model_(std::move(model)) {
    const Traced few = run(few_, f, kFew, image, known), many = run(many_, f, kMany, image, known);
    if (!same_way(few_, many_) || !(few == many))
        refuse_onnx("other operations at other batch sizes", model_);
    known_ = few.known;
    input_ = few.input;
    output_ = few.output;
}

Extents BatchTrace::extents(int value) const {
    const Shape &few = few_.values()[static_cast<std::size_t>(value)].shape,
                &many = many_.values()[static_cast<std::size_t>(value)].shape;
    if (few.rank != many.rank) refuse_onnx("a rank that depends on the batch", model_);
    Extents out;
    for (int i = 0; i < few.rank; ++i) {
        if (few[i] == many[i]) {
            out.push_back({few[i]});
        } else {
            const std::int64_t each = few[i] / kFew;
            if (few[i] != each * kFew || many[i] != each * kMany)
                refuse_onnx("an extent that is no multiple of the batch (" + to_string(few) +
                                " for " + std::to_string(kFew) + " pictures, " + to_string(many) +
                                " for " + std::to_string(kMany) + ")",
                            model_);
            out.push_back({each, true});
        }
    }
    return out;
}

bool BatchTrace::computed(int value) const {
    return value == input_ || !few_.values()[static_cast<std::size_t>(value)].constant.defined();
}

bool BatchTrace::zeros(int value) const {
    if (computed(value)) return false;
    for (const Trace* trace : {&few_, &many_})
        for (const double x : trace->values()[static_cast<std::size_t>(value)].constant.to_vector())
            if (x != 0.0) return false;
    return true;
}

const Tensor& BatchTrace::constant(int value) const {
    const Trace::Value &few = few_.values()[static_cast<std::size_t>(value)],
                       &many = many_.values()[static_cast<std::size_t>(value)];
    if (computed(value) || !(few.shape == many.shape) ||
        few.constant.to_vector() != many.constant.to_vector())
        refuse_onnx("a tensor of shape " + to_string(few.shape) +
                        " that depends on the pictures, but that no op made",
                    model_);
    return few.constant;
}

}  // namespace fovea::apps
