// Golden files of layers/: what the parts of the check share. Tensors keep the file's layout (maps
// [N,C,H,W], convolution weights [O,I,R,S]); the ops' channels-last layout is made from it by
// differentiable permutations, so the gradients come back in the file's layout by themselves.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/parity/golden.h"

namespace fovea::parity {

/// The inputs of a layer case, made when they are asked for, wanting gradients.
class LayerInputs {
public:
    LayerInputs(const Json& descriptions, const Target& target)
        : descriptions_(descriptions), target_(target) {}

    Tensor operator()(const std::string& name);
    /// An undefined tensor if the file has no such input.
    Tensor optional(const std::string& name) {
        return descriptions_.contains(name) ? (*this)(name) : Tensor();
    }
    const Target& target() const { return target_; }
    const std::map<std::string, Tensor>& made() const { return made_; }

private:
    const Json& descriptions_;
    Target target_;
    std::map<std::string, Tensor> made_;
};

struct LayerResult {
    Tensor y;
    std::map<std::string, Tensor> more;
};

/// An operation of the schema. `run` gets args, all of whose keys are among `args`.
struct LayerOp {
    std::vector<std::string> args, inputs;
    std::function<LayerResult(const Json& args, LayerInputs& in)> run;
};

using LayerOps = std::map<std::string, LayerOp>;
LayerOps map_ops();    ///< convolution, pooling, interpolation
LayerOps token_ops();  ///< normalisation, activations, linear layers, attention

/// swin_tables has no inputs: its results are integers and masks.
bool check_window_tables(const Json& file, const Target& target, Checker& check);

}  // namespace fovea::parity
