// Views and copies with another shape, and the ways back that their gradients take.
#include "core/ops/shape_ops.h"

#include "core/ops/elementwise.h"
#include "tests/cases/families.h"

namespace fovea::tests {
namespace {

void add_shape(std::vector<Case>& table, const std::string& op, const std::string& variant,
               const std::vector<Input>& inputs, Builder build) {
    std::int64_t elements = 0;
    for (const Input& input : inputs) elements += input.shape.numel();
    table.push_back({.name = op + " " + variant,
                     .op = op,
                     .kernels = {"copy", "fill", "binary", "reduce_sum"},
                     .inputs = inputs,
                     .build = std::move(build),
                     .bytes = 8.0 * static_cast<double>(elements),
                     .terms = 64});
}

}  // namespace

void add_shape_cases(std::vector<Case>& table) {
    add_shape(table, "reshape", "2x49x64 to maps", {{{2, 49, 64}}}, [](const auto& in) {
        return ops::reshape(in[0], {2, 7, 7, -1});
    });
    add_shape(table, "reshape", "of a transposed tensor",
              {{.shape = {31, 33}, .layout = Layout::Transposed}},
              [](const auto& in) { return ops::reshape(in[0], {-1}); });
    add_shape(table, "reshape", "scalar", {{{1, 1}}},
              [](const auto& in) { return ops::reshape(in[0], {}); });
    add_shape(table, "reshape", "empty", {{{0, 6}}}, [](const auto& in) {
        return ops::reshape(in[0], {2, 0, 3});
    });

    for (const Layout layout : {Layout::Dense, Layout::Transposed, Layout::Sliced})
        add_shape(table, "contiguous", "5x31x33 layout " + std::to_string(static_cast<int>(layout)),
                  {{.shape = {5, 31, 33}, .layout = layout}},
                  [](const auto& in) { return ops::contiguous(in[0]); });
    for (const Layout layout : {Layout::Transposed, Layout::Sliced})
        add_shape(table, "dense_rows", "5x31x33 layout " + std::to_string(static_cast<int>(layout)),
                  {{.shape = {5, 31, 33}, .layout = layout}},
                  [](const auto& in) { return ops::dense_rows(in[0]); });

    add_shape(table, "permute", "2x3x5x7", {{{2, 3, 5, 7}}}, [](const auto& in) {
        return ops::permute(in[0], {0, -1, 1, 2});
    });
    add_shape(table, "permute", "31x33 sliced", {{.shape = {31, 33}, .layout = Layout::Sliced}},
              [](const auto& in) {
                  return ops::permute(in[0], {1, 0});
              });
    add_shape(table, "permute", "three axes in a ring", {{{5, 1, 33}}}, [](const auto& in) {
        return ops::permute(in[0], {2, 0, 1});
    });

    add_shape(table, "flatten_chw", "2x6x6x256", {{{2, 6, 6, 256}}},
              [](const auto& in) { return ops::flatten_chw(in[0]); });
    add_shape(table, "flatten_chw", "one pixel", {{{3, 1, 1, 33}}},
              [](const auto& in) { return ops::flatten_chw(in[0]); });
    add_shape(table, "flatten_chw", "of a transposed map",
              {{.shape = {2, 3, 5, 7}, .layout = Layout::Transposed}},
              [](const auto& in) { return ops::flatten_chw(in[0]); });
    add_shape(table, "flatten_chw", "nothing", {{{0, 2, 3, 5}}},
              [](const auto& in) { return ops::flatten_chw(in[0]); });

    add_shape(table, "slice", "patches behind a class token", {{{2, 17, 32}}},
              [](const auto& in) { return ops::slice(in[0], 1, 1, 17); });
    add_shape(table, "slice", "last axis", {{{7, 33}}},
              [](const auto& in) { return ops::slice(in[0], -1, 3, 20); });
    add_shape(table, "slice", "first axis", {{{7, 33}}},
              [](const auto& in) { return ops::slice(in[0], 0, 2, 3); });
    add_shape(table, "slice", "nothing", {{{7, 33}}},
              [](const auto& in) { return ops::slice(in[0], 0, 3, 3); });
    add_shape(table, "slice", "two overlapping parts of one tensor", {{{7, 33}}},
              [](const auto& in) {
                  return ops::mul(ops::slice(in[0], 1, 0, 20), ops::slice(in[0], 1, 10, 30));
              });

    add_shape(table, "concat", "class token and patches", {{{2, 1, 32}}, {{2, 16, 32}}},
              [](const auto& in) {
                  return ops::concat({in[0], in[1]}, 1);
              });
    add_shape(table, "concat", "last axis of three and an empty one",
              {{{7, 5}}, {{7, 0}}, {{7, 33}}, {.shape = {7, 2}, .layout = Layout::Transposed}},
              [](const auto& in) {
                  return ops::concat({in[0], in[1], in[2], in[3]}, -1);
              });
    add_shape(table, "concat", "a tensor with itself", {{{3, 5}}}, [](const auto& in) {
        return ops::concat({in[0], in[0]}, 0);
    });

    add_shape(table, "expand", "class token to a batch", {{{1, 1, 96}}}, [](const auto& in) {
        return ops::expand(in[0], {8, 1, 96});
    });
    add_shape(table, "expand", "with new axes", {{{31, 1}}}, [](const auto& in) {
        return ops::expand(in[0], {2, 31, 7});
    });
    add_shape(table, "expand", "to nothing", {{{1, 5}}}, [](const auto& in) {
        return ops::expand(in[0], {0, 5});
    });

    add_shape(table, "roll", "rows of a map back", {{{2, 5, 7, 3}}},
              [](const auto& in) { return ops::roll(in[0], 1, -2); });
    add_shape(table, "roll", "the last axis, more than once around", {{{31, 33}}},
              [](const auto& in) { return ops::roll(in[0], -1, 70); });
    add_shape(table, "roll", "nothing", {{{0, 5}}},
              [](const auto& in) { return ops::roll(in[0], 0, 1); });

    add_shape(table, "pad_map", "2x5x7x3 to 8x8", {{{2, 5, 7, 3}}},
              [](const auto& in) { return ops::pad_map(in[0], 8, 8); });
    add_shape(table, "pad_map", "columns of a sliced map",
              {{.shape = {1, 3, 2, 33}, .layout = Layout::Sliced}},
              [](const auto& in) { return ops::pad_map(in[0], 3, 7); });
    add_shape(table, "pad_map", "nothing", {{{0, 3, 2, 5}}},
              [](const auto& in) { return ops::pad_map(in[0], 4, 4); });

    add_shape(table, "crop_map", "2x8x8x3 to 5x7", {{{2, 8, 8, 3}}},
              [](const auto& in) { return ops::crop_map(in[0], 5, 7); });
    add_shape(table, "crop_map", "rows only", {{{2, 4, 3, 5}}},
              [](const auto& in) { return ops::crop_map(in[0], 1, 3); });
}

}  // namespace fovea::tests
