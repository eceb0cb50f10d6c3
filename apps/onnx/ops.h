// One op of a trace as nodes of ONNX: a function for each, and the table of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/onnx/builder.h"
#include "kernels/include/elementwise.h"

namespace fovea::apps {

/// One op of a trace; arguments are numbered as the parameters of its Op::forward.
class OnnxCall {
public:
    OnnxCall(const BatchTrace& trace, std::size_t number) : trace_(trace), number_(number) {}

    const std::string& name() const { return op().name; }
    int result() const { return op().result; }
    bool has(std::size_t i) const { return tensor(i) >= 0; }
    int tensor(std::size_t i) const { return op().arguments.at(i).tensors.at(0); }
    const std::vector<int>& tensors(std::size_t i) const { return op().arguments.at(i).tensors; }
    template <class T>
    T value(std::size_t i) const {
        return trace_.argument<T>(number_, i);
    }
    const BatchTrace& trace() const { return trace_; }
    /// Error K20: no form for WHAT of this op.
    [[noreturn]] void refuse(const std::string& what) const {
        refuse_onnx(what + " of the operation " + name(), trace_.model());
    }

private:
    const Trace::Op& op() const { return trace_.ops()[number_]; }

    const BatchTrace& trace_;
    std::size_t number_;
};

/// Makes the nodes of an op and binds its result.
using OnnxOp = void (*)(OnnxBuilder&, const OnnxCall&);
using OnnxOps = std::map<std::string, OnnxOp>;

/// By the op's name. One function a family adds its own (ops_*.cpp).
const OnnxOps& onnx_ops();
void add_shape_ops(OnnxOps& ops);
void add_elementwise_ops(OnnxOps& ops);
void add_linear_ops(OnnxOps& ops);
void add_norm_ops(OnnxOps& ops);
void add_map_ops(OnnxOps& ops);
void add_attention_ops(OnnxOps& ops);
void add_window_ops(OnnxOps& ops);

/// f(x) of a value of the graph.
std::string onnx_activation(OnnxBuilder& b, const std::string& x, Unary f);

/// softmax(scale q k^T + each of `added`) v on the last two axes: q [.., n, D], k_transposed [.., D, m],
/// v [.., m, D].
std::string onnx_attention(OnnxBuilder& b, const std::string& q, const std::string& k_transposed,
                           const std::string& v, double scale,
                           const std::vector<std::string>& added = {});

}  // namespace fovea::apps
