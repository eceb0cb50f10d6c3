// OnnxBuilder: makes nodes, and knows what the values of a trace are called in the graph.
//
// A map [N,H,W,C] has up to two names: in plain order, and in planes [N,C,H,W], which is what ONNX's
// convolutions and poolings work on. Each is made from the other only when somebody asks for it, so a
// convolutional network needs no Transpose at all.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "apps/onnx/batch_trace.h"
#include "apps/onnx/graph.h"
#include "layers/module.h"

namespace fovea::apps {

class OnnxBuilder {
public:
    OnnxBuilder(const BatchTrace& trace, OnnxGraph& graph) : trace_(trace), graph_(graph) {}

    // ---- values of the trace ----

    Extents extents(int value) const { return trace_.extents(value); }
    const std::string& plain(int value);
    const std::string& planes(int value);
    /// Of a map with one pixel or one channel either, as both have the same order; else plain.
    const std::string& flat(int value);
    /// Is there no need to ask for more than planes()?
    bool in_planes(int value) const;

    void bind_plain(int value, const std::string& name) { forms_[value].plain = name; }
    void bind_planes(int value, const std::string& name) { forms_[value].planes = name; }
    /// The value is another one, unchanged.
    void alias(int value, int other) { forms_[value] = form_of(other); }
    /// The value is a parameter or buffer, to go into the file under its name in the checkpoint's layout.
    void name_constant(int value, const std::string& name, Layout layout);

    // ---- nodes; each returns the name of its (first) output ----

    /// Begins an op: its nodes are called SCOPE/TYPE, with a number if need be. The scope is the name of the
    /// layer whose parameters are among the values, else `otherwise`.
    void begin(const std::vector<int>& values, const std::string& otherwise);

    std::string node(const std::string& type, const std::vector<std::string>& inputs,
                     const std::vector<OnnxAttribute>& attributes = {});
    /// A node with several outputs.
    std::vector<std::string> nodes(const std::string& type, const std::vector<std::string>& inputs,
                                   std::size_t outputs,
                                   const std::vector<OnnxAttribute>& attributes = {});
    std::string transpose(const std::string& x, const std::vector<std::int64_t>& axes);
    /// x itself if nothing changes.
    std::string reshape(const std::string& x, const Extents& from, const Extents& to);
    std::string slice(const std::string& x, std::int64_t axis, std::int64_t begin,
                      std::int64_t end);
    /// As an I64 vector that is computed from the batch where it must be.
    std::string shape_vector(const Extents& extents);

    // ---- constants without a name of their own, each once ----

    std::string scalar(double value);
    std::string integers(const std::vector<std::int64_t>& values);
    std::string constant(const std::string& name, const Tensor& value);

private:
    struct Form {
        std::string plain, planes;
    };
    struct Named {
        std::string name;
        Layout layout;
    };

    Form& form_of(int value);
    std::string fresh(const std::string& name);
    std::string batch();

    const BatchTrace& trace_;
    OnnxGraph& graph_;
    std::map<int, Form> forms_;
    std::map<int, Named> named_;
    std::map<std::string, int> used_;          // names, and how many begin so
    std::map<std::string, std::string> once_;  // what is made once, by what it is
    std::string scope_;
};

}  // namespace fovea::apps
