// One function per family of ops, each in a file of its own; all_cases() calls them in this order.
#pragma once

#include <initializer_list>
#include <numeric>

#include "tests/cases/case.h"

namespace fovea::tests {

void add_elementwise_cases(std::vector<Case>& table);
void add_reduce_cases(std::vector<Case>& table);
void add_matmul_cases(std::vector<Case>& table);
void add_norm_cases(std::vector<Case>& table);
void add_softmax_cases(std::vector<Case>& table);
void add_attention_cases(std::vector<Case>& table);
void add_window_attention_cases(std::vector<Case>& table);
void add_conv_cases(std::vector<Case>& table);
void add_pool_cases(std::vector<Case>& table);
void add_resize_cases(std::vector<Case>& table);
void add_shape_cases(std::vector<Case>& table);
void add_loss_cases(std::vector<Case>& table);
void add_dropout_cases(std::vector<Case>& table);
void add_embed_cases(std::vector<Case>& table);
void add_augment_cases(std::vector<Case>& table);
void add_optimizer_cases(std::vector<Case>& table);

/// "31x32" for {31, 32}, "scalar" for {}.
std::string spell(const Shape& shape);

/// Bytes of F32 inputs and an output of `out` elements.
double traffic(const std::vector<Input>& inputs, std::int64_t out);

/// An input that no gradient flows to.
inline Input constant(const Shape& shape, Values values = Values::Uniform) {
    return {shape, values, false, Layout::Dense, 0};
}

}  // namespace fovea::tests
