// Softmax and log-softmax over the last axis.
#include "core/ops/softmax.h"

#include "tests/cases/families.h"

namespace fovea::tests {

void add_softmax_cases(std::vector<Case>& table) {
    const Input inputs[] = {{{5, 1}},
                            {{5, 31}},
                            {{5, 32}},
                            {{5, 33}},
                            {{197}},
                            {{0, 5}},
                            {{2, 3, 197}},
                            {.shape = {31, 33}, .layout = Layout::Transposed},
                            {.shape = {7, 33}, .layout = Layout::Sliced},
                            {{8, 1000}},
                            {{2, 13000}}};  // longer than a GPU's block keeps in registers
    for (const bool log : {false, true})
        for (const Input& x : inputs) {
            const std::string name = log ? "log_softmax" : "softmax";
            table.push_back({.name = name + " " + spell(x.shape) +
                                     (x.layout == Layout::Dense ? "" : " strided"),
                             .op = name,
                             .kernels = {name + "_forward", name + "_backward"},
                             .inputs = {x},
                             .build =
                                 [log](const auto& in) {
                                     return log ? ops::log_softmax(in[0]) : ops::softmax(in[0]);
                                 },
                             .flops = 4.0 * static_cast<double>(x.shape.numel()),
                             .bytes = traffic({x}, x.shape.numel()),
                             .terms = x.shape[-1],
                             .cancelling = x.shape[-1] == 1 ? 1.0 : 0.0});
        }
}

}  // namespace fovea::tests
