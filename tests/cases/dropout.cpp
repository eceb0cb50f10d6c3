// Dropout and drop-path: the masks are functions of the site, so they hold still for differences.
#include "core/ops/dropout.h"

#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

constexpr RandomSite site{0x5EED0123456789ABu, RandomStream::Dropout, 7, 11};

void add_dropout(std::vector<Case>& table, const Input& x, double p) {
    table.push_back({.name = "dropout " + spell(x.shape) + " p " + std::to_string(p) +
                             (x.layout == Layout::Dense ? "" : " transposed"),
                     .op = "dropout",
                     .kernels = {"dropout"},
                     .inputs = {x},
                     .build = [p](const auto& in) { return ops::dropout(in[0], p, site); },
                     .flops = static_cast<double>(x.shape.numel()),
                     .bytes = traffic({x}, x.shape.numel())});
}

void add_drop_path(std::vector<Case>& table, const Shape& shape, double p) {
    const std::vector<Input> inputs = {{shape}, {shape}};
    table.push_back(
        {.name = "residual_drop_path " + spell(shape) + " p " + std::to_string(p),
         .op = "residual_drop_path",
         .kernels = {"drop_path"},
         .inputs = inputs,
         .build = [p](const auto& in) { return ops::residual_drop_path(in[0], in[1], p, site); },
         .flops = static_cast<double>(shape.numel()),
         .bytes = traffic(inputs, shape.numel())});
}

}  // namespace

void add_dropout_cases(std::vector<Case>& table) {
    for (const std::int64_t n : {0, 1, 3, 4, 31, 32, 33, 197}) add_dropout(table, {{n}}, 0.25);
    add_dropout(table, {{31, 33}}, 0.5);
    add_dropout(table, {.shape = {31, 33}, .layout = Layout::Transposed}, 0.1);
    add_dropout(table, {{2, 17, 192}}, 0.1);
    for (const Shape& shape : {Shape{0, 5}, Shape{1}, Shape{33}, Shape{31, 5, 3}, Shape{8, 17, 96}})
        add_drop_path(table, shape, 0.4);
}

}  // namespace fovea::tests
