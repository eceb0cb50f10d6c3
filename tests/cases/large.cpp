#include "tests/cases/large.h"

namespace fovea::tests {

const std::vector<LargeCase>& large_cases() {
    static const std::vector<LargeCase> list = [] {
        std::vector<LargeCase> cases;
        add_large_maps(cases);
        add_large_rows(cases);
        add_large_products(cases);
        add_large_attention(cases);
        add_large_images(cases);
        add_large_optimizers(cases);
        return cases;
    }();
    return list;
}

}  // namespace fovea::tests
