// Resampling of maps, growing and shrinking, in every mode.
#include "core/ops/pool.h"
#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

void add_interpolate(std::vector<Case>& table, const Input& x, std::int64_t rows,
                     std::int64_t columns, const ResizeParams& p) {
    static constexpr const char* modes[] = {"nearest", "bilinear", "bicubic"};
    static constexpr std::int64_t taps[] = {1, 2, 4};
    const auto mode = static_cast<std::size_t>(p.mode);
    const std::int64_t out = x.shape[0] * rows * columns * x.shape[3];
    table.push_back(
        {.name = "interpolate " + spell(x.shape) + " to " + std::to_string(rows) + "x" +
                 std::to_string(columns) + " " + modes[mode] + (p.align_corners ? " aligned" : "") +
                 (p.antialias ? " antialias" : "") +
                 (x.layout == Layout::Dense ? "" : " transposed"),
         .op = "interpolate",
         .kernels = {"resize_forward", "resize_backward"},
         .inputs = {x},
         .build = [=](const auto& in) { return ops::interpolate(in[0], rows, columns, p); },
         .flops = 2.0 * static_cast<double>(out * taps[mode] * taps[mode]),
         .bytes = traffic({x}, out),
         .terms = x.shape[1] * x.shape[2]});
}

}  // namespace

void add_resize_cases(std::vector<Case>& table) {
    const ResizeParams all_params[] = {
        {Interpolation::Nearest, false, false}, {Interpolation::Bilinear, false, false},
        {Interpolation::Bilinear, true, false}, {Interpolation::Bilinear, false, true},
        {Interpolation::Bicubic, false, false}, {Interpolation::Bicubic, true, false},
        {Interpolation::Bicubic, false, true}};
    for (const ResizeParams& p : all_params) {
        add_interpolate(table, {{2, 5, 7, 3}}, 8, 9, p);
        add_interpolate(table, {{1, 9, 8, 33}}, 4, 5, p);
        add_interpolate(table, {{1, 1, 1, 2}}, 3, 2, p);
        add_interpolate(table, {{1, 4, 5, 2}}, 1, 1, p);
    }
    add_interpolate(table, {{0, 4, 5, 2}}, 3, 3, all_params[1]);
    add_interpolate(table, {.shape = {1, 5, 7, 8}, .layout = Layout::Transposed}, 8, 9,
                    all_params[4]);
    add_interpolate(table, {{1, 14, 14, 96}}, 24, 24, all_params[4]);  // position embeddings
}

}  // namespace fovea::tests
