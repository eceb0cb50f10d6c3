// Trace: writes down which ops run, on what and with which arguments, so that a model can be put into
// another form (ONNX) without code for each model.
//
//     Trace trace;
//     {
//         const Trace::Scope scope(trace);           // while it lives, ops are written down
//         y = model.forward(x, {});
//     }
//     trace.ops().front().name                       // "conv2d"
//
// Tensors become numbers, in the order in which they are first seen; a trace keeps only those alive
// that no op made: inputs, parameters, constants.
#pragma once

#include <any>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "core/tensor.h"

namespace fovea {

class Trace {
public:
    /// What apply() gave an op for one of its parameters.
    struct Argument {
        std::vector<int> tensors;  ///< numbers of a tensor or a list of them; -1: undefined
        std::any value;  ///< numbers, flags, shapes, lists of axes, parameter structs; else empty
    };
    struct Op {
        std::string name;
        std::vector<Argument> arguments;
        int result;
    };
    struct Value {
        Shape shape;
        Tensor constant;  ///< the tensor itself, if no op made it; else undefined
    };

    /// While it lives, the ops of this thread go to `trace`.
    class Scope {
    public:
        explicit Scope(Trace& trace);
        ~Scope();
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

    private:
        Trace* previous_;
    };

    Trace() = default;
    Trace(const Trace&) = delete;
    Trace& operator=(const Trace&) = delete;

    /// The trace that records now, or null.
    static Trace* current();

    /// The number of a tensor; a new one if it was not seen before. An op that hands on a tensor which it
    /// was given makes it a new value.
    int number_of(const Tensor& t);
    const std::vector<Op>& ops() const { return ops_; }
    const std::vector<Value>& values() const { return values_; }

    /// Used by apply().
    template <class... Args>
    void record(const char* name, const Tensor& result, const Args&... args) {
        const std::size_t known = values_.size();
        std::vector<Argument> arguments;
        (arguments.push_back(argument(args)), ...);
        finish(name, result, std::move(arguments), known);
    }

private:
    // The same memory seen in the same way is the same tensor. A weak pointer stays unique after the
    // memory is gone, and does not keep it.
    struct Key {
        std::weak_ptr<Storage> storage;
        std::int64_t offset;
        Shape shape, strides;
        bool operator<(const Key& o) const;
    };
    static Key key_of(const Tensor& t);

    Argument argument(const Tensor& t) { return {{t.defined() ? number_of(t) : -1}, {}}; }
    Argument argument(const std::vector<Tensor>& list) {
        Argument a;
        for (const Tensor& t : list) a.tensors.push_back(number_of(t));
        return a;
    }
    Argument argument(const std::vector<int>& axes) { return {{}, axes}; }
    template <class T>
    Argument argument(const T& value) {
        if constexpr (std::is_trivially_copyable_v<T>) return {{}, value};
        return {};  // an op's private business
    }
    void finish(const char* name, const Tensor& result, std::vector<Argument> arguments,
                std::size_t known);

    std::vector<Op> ops_;
    std::vector<Value> values_;
    std::map<Key, int> numbers_;
};

}  // namespace fovea
