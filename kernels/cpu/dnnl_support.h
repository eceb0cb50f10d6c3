// What the kernels share that are built on oneDNN: the engine, one stream per thread, and a cache of
// ready-to-run primitives. Creating a primitive costs up to milliseconds (code is generated);
// running a cached one costs about a microsecond.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <unordered_map>
#include <utility>

namespace fovea::kernels::cpu {

/// The CPU engine, shared by all threads.
const dnnl::engine& dnnl_engine();

/// Dense or strided fp32 memory descriptor.
dnnl::memory::desc f32_desc(const dnnl::memory::dims& extents, const dnnl::memory::dims& strides);

/// fp32, layout chosen by the library.
dnnl::memory::desc f32_any(const dnnl::memory::dims& extents);

/// Attributes all our primitives share: the caller provides the scratchpad.
dnnl::primitive_attr user_scratchpad();

/// A primitive and its arguments; data pointers are set before each run.
class Prepared {
public:
    using Arguments = std::initializer_list<std::pair<const int, dnnl::memory::desc>>;

    /// `arguments`: DNNL_ARG_* and descriptor of each, the scratchpad left out.
    Prepared(dnnl::primitive primitive, const dnnl::memory::desc& scratchpad, Arguments arguments);

    /// Points argument `arg` to `data`; the library writes only through outputs.
    void set(int arg, const void* data);

    /// Bytes of argument `arg`.
    std::size_t bytes(int arg) const;

    /// Runs to completion, with the thread's scratch memory (slot Library).
    void run();

private:
    dnnl::primitive primitive_;
    std::unordered_map<int, dnnl::memory> arguments_;
    std::size_t scratchpad_bytes_;
};

/// A primitive whose weights may need another layout than ours.
struct Plan {
    Prepared main;
    std::optional<Prepared> reorder;  ///< from our layout to the library's, or back for gradients
};

/// Reorder between two layouts; `accumulate` adds to the destination.
Prepared make_reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to,
                      bool accumulate);

/// Sets DNNL_ARG_WEIGHTS of plan.main, repacking into scratch memory (slot Weights) where needed.
void set_weights(Plan& plan, const void* weights);

/// All that decides which code a primitive runs: a tag of the op, extents, strides, flags; and the
/// number of OpenMP threads, by which the library divides the work.
class PlanKey {
public:
    PlanKey(std::initializer_list<std::int64_t> parts);

    bool operator==(const PlanKey& other) const = default;
    std::size_t hash() const;

private:
    std::array<std::int64_t, 24> parts_{};
};

struct PlanKeyHash {
    std::size_t operator()(const PlanKey& key) const { return key.hash(); }
};

using PlanCache = std::unordered_map<PlanKey, Plan, PlanKeyHash>;

/// The calling thread's cache (a plan holds data pointers, so threads do not share plans; the
/// generated code behind them is shared inside the library).
PlanCache& plan_cache();

/// The plan for `key`; `make` builds it the first time.
template <class Make>
Plan& plan(const PlanKey& key, Make make) {
    PlanCache& cache = plan_cache();
    auto found = cache.find(key);
    if (found == cache.end()) found = cache.emplace(key, make()).first;
    return found->second;
}

}  // namespace fovea::kernels::cpu
