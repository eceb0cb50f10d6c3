// Results must not depend on the order in which warps and blocks run. One process sees one order, so
// this writes a digest of every case's results to the file FOVEA_DIGESTS; tests/cuda/schedules.sh runs
// it under several orders and compares the files.
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "tests/cases/register.h"
#include "tests/cases/run.h"

using namespace fovea;
using namespace fovea::tests;

namespace {

/// FNV-1a (Fowler, Noll, Vo) over the bits of the numbers.
std::uint64_t digest(const std::vector<double>& values, std::uint64_t hash) {
    for (const double value : values) {
        unsigned char bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        for (const unsigned char byte : bytes) hash = (hash ^ byte) * 1099511628211U;
    }
    return hash;
}

void write_digests(const Case& c) {
    const char* name = std::getenv("FOVEA_DIGESTS");
    if (name == nullptr) throw std::runtime_error("FOVEA_DIGESTS names no file");
    std::ofstream file(name, std::ios::app);
    for (const DType dtype : {DType::F32, DType::BF16}) {
        if (dtype == DType::BF16 && !has_bf16_form(c)) continue;
        const Run run = run_case(c, Device::cuda(), {dtype}, Gradients::Fresh);
        std::uint64_t hash = digest(run.output, 14695981039346656037U);
        for (const auto& gradient : run.gradients) hash = digest(gradient, hash);
        file << c.name << ' ' << name_of(dtype) << ' ' << hash << '\n';
    }
    CHECK(file.good());
}

/// Kernels whose threads each make their own elements alone: one order is as good as another.
bool independent_threads(const std::string& kernel) {
    static const char* const names[] = {
        "fill",        "unary_forward", "unary_backward", "binary",       "axpby",
        "dropout",     "drop_path",     "max_pool",       "avg_pool",     "adaptive_avg_pool",
        "resize",      "adam_step",     "sgd_step",       "rmsprop_step", "radam_step",
        "clip_values", "ema_update",    "augment_images"};
    return std::any_of(std::begin(names), std::end(names),
                       [&](const char* name) { return kernel.rfind(name, 0) == 0; });
}

[[maybe_unused]] const bool registered = register_cases(
    "schedules", "[.schedules]",
    [](const Case& c) {
        return !std::all_of(c.kernels.begin(), c.kernels.end(), independent_threads);
    },
    write_digests);

}  // namespace
