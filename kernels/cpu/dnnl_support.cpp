#include "kernels/cpu/dnnl_support.h"

#include <omp.h>

#include <algorithm>

#include "kernels/cpu/scratch.h"

namespace fovea::kernels::cpu {
namespace {

constexpr std::size_t kMaxPlans = 2048;  // inputs of ever new sizes must not fill the memory

dnnl::stream& dnnl_stream() {
    static thread_local dnnl::stream stream(dnnl_engine());
    return stream;
}

}  // namespace

const dnnl::engine& dnnl_engine() {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

dnnl::memory::desc f32_desc(const dnnl::memory::dims& extents, const dnnl::memory::dims& strides) {
    return {extents, dnnl::memory::data_type::f32, strides};
}

dnnl::memory::desc f32_any(const dnnl::memory::dims& extents) {
    return {extents, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any};
}

dnnl::primitive_attr user_scratchpad() {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attr;
}

Prepared::Prepared(dnnl::primitive primitive, const dnnl::memory::desc& scratchpad,
                   Arguments arguments)
    : primitive_(std::move(primitive)), scratchpad_bytes_(scratchpad.get_size()) {
    for (const auto& [arg, desc] : arguments)
        arguments_.emplace(arg, dnnl::memory(desc, dnnl_engine(), nullptr));
    arguments_.emplace(DNNL_ARG_SCRATCHPAD, dnnl::memory(scratchpad, dnnl_engine(), nullptr));
}

void Prepared::set(int arg, const void* data) {
    arguments_.at(arg).set_data_handle(const_cast<void*>(data));
}

std::size_t Prepared::bytes(int arg) const { return arguments_.at(arg).get_desc().get_size(); }

void Prepared::run() {
    set(DNNL_ARG_SCRATCHPAD, scratch(ScratchSlot::Library, scratchpad_bytes_));
    primitive_.execute(dnnl_stream(), arguments_);
    dnnl_stream().wait();
}

Prepared make_reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to,
                      bool accumulate) {
    dnnl::primitive_attr attr = user_scratchpad();
    if (accumulate) {
        dnnl::post_ops sum;
        sum.append_sum(1.0F);
        attr.set_post_ops(sum);
    }
    const dnnl::reorder::primitive_desc desc(dnnl_engine(), from, dnnl_engine(), to, attr);
    return {
        dnnl::reorder(desc), desc.scratchpad_desc(), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}};
}

void set_weights(Plan& plan, const void* weights) {
    if (plan.reorder) {
        void* packed = scratch(ScratchSlot::Weights, plan.main.bytes(DNNL_ARG_WEIGHTS));
        plan.reorder->set(DNNL_ARG_FROM, weights);
        plan.reorder->set(DNNL_ARG_TO, packed);
        plan.reorder->run();
        weights = packed;
    }
    plan.main.set(DNNL_ARG_WEIGHTS, weights);
}

PlanKey::PlanKey(std::initializer_list<std::int64_t> parts) {
    parts_[0] = omp_get_max_threads();
    std::copy(parts.begin(), parts.end(), parts_.begin() + 1);
}

std::size_t PlanKey::hash() const {
    std::uint64_t h = 0;
    for (std::int64_t part : parts_) {
        h = (h ^ static_cast<std::uint64_t>(part)) * 0x9E3779B97F4A7C15U;  // 2^64 / golden ratio
        h ^= h >> 32;
    }
    return static_cast<std::size_t>(h);
}

PlanCache& plan_cache() {
    static thread_local PlanCache cache;
    if (cache.size() > kMaxPlans) cache.clear();
    return cache;
}

}  // namespace fovea::kernels::cpu
