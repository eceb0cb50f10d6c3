// Maximum, average and adaptive average pooling.
#include "core/ops/pool.h"

#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

std::string spell_params(const PoolParams& p) {
    const auto two = [](const std::int64_t(&n)[2]) {
        return std::to_string(n[0]) + "x" + std::to_string(n[1]);
    };
    return " kernel " + two(p.kernel) + " stride " + two(p.stride) + " pad " + two(p.padding) +
           (p.ceil_mode ? " ceil" : "") + (p.count_include_pad ? "" : " without pad");
}

std::int64_t outputs(const Shape& x, const PoolParams& p) {
    return x[0] * p.out(0, x[1]) * p.out(1, x[2]) * x[3];
}

void add_max_pool(std::vector<Case>& table, const Input& x, const PoolParams& p,
                  const std::string& variant = "") {
    table.push_back({.name = "max_pool2d " + spell(x.shape) + spell_params(p) + variant,
                     .op = "max_pool2d",
                     .kernels = {"max_pool_forward", "max_pool_backward"},
                     .inputs = {x},
                     .build = [p](const auto& in) { return ops::max_pool2d(in[0], p); },
                     .flops = static_cast<double>(outputs(x.shape, p) * p.kernel[0] * p.kernel[1]),
                     .bytes = traffic({x}, 2 * outputs(x.shape, p)),
                     .terms = p.kernel[0] * p.kernel[1],
                     .kinks = true});
}

void add_avg_pool(std::vector<Case>& table, const Input& x, const PoolParams& p,
                  const std::string& variant = "") {
    table.push_back({.name = "avg_pool2d " + spell(x.shape) + spell_params(p) + variant,
                     .op = "avg_pool2d",
                     .kernels = {"avg_pool_forward", "avg_pool_backward"},
                     .inputs = {x},
                     .build = [p](const auto& in) { return ops::avg_pool2d(in[0], p); },
                     .flops = static_cast<double>(outputs(x.shape, p) * p.kernel[0] * p.kernel[1]),
                     .bytes = traffic({x}, outputs(x.shape, p)),
                     .terms = p.kernel[0] * p.kernel[1]});
}

void add_adaptive(std::vector<Case>& table, const Input& x, std::int64_t rows,
                  std::int64_t columns) {
    table.push_back(
        {.name = "adaptive_avg_pool2d " + spell(x.shape) + " to " + std::to_string(rows) + "x" +
                 std::to_string(columns),
         .op = "adaptive_avg_pool2d",
         .kernels = {"adaptive_avg_pool_forward", "adaptive_avg_pool_backward"},
         .inputs = {x},
         .build = [=](const auto& in) { return ops::adaptive_avg_pool2d(in[0], rows, columns); },
         .flops = static_cast<double>(x.shape.numel()),
         .bytes = traffic({x}, x.shape[0] * rows * columns * x.shape[3]),
         .terms = x.shape[1] * x.shape[2]});
}

}  // namespace

void add_pool_cases(std::vector<Case>& table) {
    const Shape shapes[] = {{2, 6, 7, 3}, {1, 5, 5, 31}, {1, 8, 9, 33}, {0, 4, 4, 5}};
    const PoolParams all_params[] = {{},
                                     {{3, 3}, {2, 2}, {1, 1}, false, true},
                                     {{3, 3}, {2, 2}, {1, 1}, false, false},
                                     {{3, 2}, {2, 3}, {0, 0}, true, true},
                                     {{3, 3}, {2, 2}, {1, 1}, true, false},
                                     {{2, 2}, {3, 3}, {0, 0}, false, true}};
    for (const Shape& shape : shapes)
        for (const PoolParams& p : all_params) {
            // How padding is counted is nothing to a maximum.
            if (p.count_include_pad) add_max_pool(table, {shape}, p);
            add_avg_pool(table, {shape}, p);
        }
    const PoolParams& overlapping = all_params[1];
    add_max_pool(table, constant({2, 7, 7, 5}, Values::Quarters), overlapping, " ties");
    const Input transposed = {.shape = {2, 6, 7, 8}, .layout = Layout::Transposed};
    add_max_pool(table, transposed, overlapping, " transposed");
    add_avg_pool(table, transposed, overlapping, " transposed");
    add_max_pool(table, {{1, 28, 28, 32}}, overlapping);
    // An odd number of chunks in a row of outputs; chunks of 4 channels, but not of 8.
    add_max_pool(table, {{2, 9, 9, 24}}, overlapping);
    add_max_pool(table, {{1, 6, 9, 12}}, overlapping);
    // AlexNet's, and those of its variants with other strides; ResNet's stem.
    add_max_pool(table, {{1, 27, 28, 33}}, {{3, 3}, {2, 2}, {0, 0}, false, true});
    add_max_pool(table, {{2, 6, 5, 16}}, {{2, 2}, {1, 1}, {0, 0}, false, true});
    add_max_pool(table, {{2, 6, 5, 16}}, {{3, 3}, {1, 1}, {0, 0}, false, true});
    add_max_pool(table, {{1, 112, 112, 64}}, overlapping);
    // One pixel; a window as large as the map; padding of half a kernel, the most there is.
    add_max_pool(table, {{2, 1, 1, 7}}, overlapping);
    add_max_pool(table, {{1, 3, 3, 5}}, {{3, 3}, {2, 2}, {0, 0}, false, true});
    add_max_pool(table, {{1, 5, 4, 3}}, {{2, 4}, {2, 2}, {1, 2}, false, true});

    add_adaptive(table, {{2, 7, 7, 33}}, 1, 1);
    add_adaptive(table, {{1, 7, 5, 3}}, 3, 2);
    add_adaptive(table, {{1, 3, 4, 5}}, 5, 7);
    add_adaptive(table, {{0, 4, 4, 5}}, 2, 2);
    add_adaptive(table, {{2, 14, 14, 32}}, 1, 1);
    for (const std::int64_t side : {1, 6, 7, 13}) add_adaptive(table, {{1, side, side, 16}}, 6, 6);
}

}  // namespace fovea::tests
