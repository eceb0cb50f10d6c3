#include "tests/cases/families.h"

namespace fovea::tests {

const std::vector<Case>& all_cases() {
    static const std::vector<Case> table = [] {
        std::vector<Case> cases;
        add_elementwise_cases(cases);
        add_reduce_cases(cases);
        add_matmul_cases(cases);
        add_norm_cases(cases);
        add_softmax_cases(cases);
        add_attention_cases(cases);
        add_window_attention_cases(cases);
        add_conv_cases(cases);
        add_pool_cases(cases);
        add_resize_cases(cases);
        add_shape_cases(cases);
        add_loss_cases(cases);
        add_dropout_cases(cases);
        add_embed_cases(cases);
        add_augment_cases(cases);
        add_optimizer_cases(cases);
        return cases;
    }();
    return table;
}

std::string spell(const Shape& shape) {
    std::string out;
    for (const std::int64_t extent : shape)
        out += (out.empty() ? "" : "x") + std::to_string(extent);
    return out.empty() ? "scalar" : out;
}

double traffic(const std::vector<Input>& inputs, std::int64_t out) {
    std::int64_t elements = out;
    for (const Input& input : inputs) elements += input.shape.numel();
    return 4.0 * static_cast<double>(elements);
}

}  // namespace fovea::tests
