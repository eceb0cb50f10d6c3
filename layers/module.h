// Module: a tree of named parameters, buffers and sub-modules.
//
// A layer lists its members once, in visit(); names, counting, initialisation, device moves, saving
// and loading all come from that list. Full names are the path through the tree, joined by dots:
// "stage0.blocks.1.attn.proj_q.weight". forward() is not virtual: each layer has its own signature.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "core/tensor.h"
#include "kernels/include/philox.h"

namespace fovea {

/// How a tensor lies in memory against how checkpoints spell it.
enum class Layout : std::uint8_t {
    Plain,
    ConvWeight,  ///< memory [O,R,S,I], checkpoint [O,I,R,S] (PyTorch)
};

/// A trainable tensor. An undefined value means "this layer has none" (no bias) and is skipped.
struct Parameter {
    Tensor value;
    Layout layout = Layout::Plain;
    bool no_decay =
        false;  ///< beyond the rule "at most one axis": class tokens, position embeddings

    operator const Tensor&() const { return value; }  // NOLINT: a Parameter is used as its value
};

/// A tensor that is part of the state but not trained: BatchNorm's running statistics.
struct Buffer {
    Tensor value;
    operator const Tensor&() const { return value; }  // NOLINT
};

class Module;

/// Walks a module tree. Override what is of interest; `name` is the full path.
class Visitor {
public:
    virtual ~Visitor() = default;

    void operator()(const char* name, Parameter& p) {
        if (p.value.defined()) parameter(join(name), p);
    }
    void operator()(const char* name, Buffer& b) {
        if (b.value.defined()) buffer(join(name), b);
    }
    /// A random op's place in the tree: `site` becomes a stable number made from its path.
    void site(const char* name, std::uint32_t& site) { random_site(join(name), site); }
    void operator()(const char* name, Module& m);
    template <class M, class = std::enable_if_t<std::is_base_of_v<Module, M>>>
    void operator()(const char* name, std::vector<M>& modules) {
        const std::size_t mark = enter(name);
        for (std::size_t i = 0; i < modules.size(); ++i)
            (*this)(std::to_string(i).c_str(), modules[i]);
        path_.resize(mark);
    }

    virtual void parameter(const std::string& /*name*/, Parameter& /*p*/) {}
    virtual void buffer(const std::string& /*name*/, Buffer& /*b*/) {}
    virtual void random_site(const std::string& /*name*/, std::uint32_t& /*site*/) {}
    virtual void enter_module(const std::string& /*name*/, Module& /*m*/) {}

private:
    std::string join(const char* name) const { return path_ + name; }
    std::size_t enter(const char* name) {
        const std::size_t mark = path_.size();
        path_ += name;
        path_ += '.';
        return mark;
    }
    std::string path_;
};

class Module {
public:
    virtual ~Module() = default;
    /// One line per member, in the reference's state_dict order.
    virtual void visit(Visitor& v) = 0;

protected:
    Module() = default;
    Module(const Module&) = default;
    Module(Module&&) = default;
    Module& operator=(const Module&) = default;
    Module& operator=(Module&&) = default;
};

/// What a forward pass must know beside its input.
struct Pass {
    bool training = false;   ///< dropout and drop-path act, BatchNorm uses the batch's statistics
    std::uint64_t seed = 0;  ///< of the run
    std::uint32_t step = 0;  ///< training step (micro-step under gradient accumulation)

    RandomSite random(std::uint32_t site) const {
        return {seed, RandomStream::Dropout, site, step};
    }
};

struct NamedParameter {
    std::string name;
    Parameter* parameter;
};
struct NamedBuffer {
    std::string name;
    Buffer* buffer;
};

/// All parameters (buffers) in visiting order.
std::vector<NamedParameter> parameters_of(Module& m);
std::vector<NamedBuffer> buffers_of(Module& m);
std::int64_t parameter_count(Module& m);

/// FNV-1a, 32 bit: the number that stands for a path in the tree.
std::uint32_t path_hash(const std::string& path);

/// Gives every random op its site number: path_hash of its path, so adding an op elsewhere in the tree
/// changes nothing. Models call it at the end of their constructor.
void assign_sites(Module& m);

/// Converts every parameter and buffer in place: F64 for gradient checks on the reference device.
void move_to(Module& m, Device device, DType dtype);

/// Shape as checkpoints spell it, and the tensor in that layout (a dense copy for convolutions).
Shape checkpoint_shape(const Parameter& p);
Tensor to_checkpoint_layout(const Tensor& t, Layout layout);
Tensor from_checkpoint_layout(const Tensor& t, Layout layout);

}  // namespace fovea
