// Golden file of Swin's tables: relative position indices and masks of shifted windows.
#include "layers/window_tables.h"
#include "tests/parity/layer_case.h"

namespace fovea::parity {

bool check_window_tables(const Json& file, const Target& target, Checker& check) {
    const Json& args = file.at("args");
    require_only(args, {"windows", "masks"});
    for (const Json& window : args.at("windows")) {
        const GridSize size{window.at(0), window.at(1)};
        const std::string key = std::to_string(size.rows) + "x" + std::to_string(size.columns);
        check.values("relative position index of " + key,
                     relative_position_index(size, target.device).to_vector(),
                     numbers_from(file.at("relative_position_index").at(key)), 0.0, true);
    }
    const Json& masks = args.at("masks");
    check.require("a mask for each case", masks.size() == file.at("attn_mask").size());
    for (std::size_t i = 0; i < masks.size() && check.misses() == 0; ++i) {
        const Json& m = masks[i];
        require_only(m, {"resolution", "window", "shift", "masked_value"});
        const GridSize map{m.at("resolution").at(0), m.at("resolution").at(1)};
        const ShiftedWindow wanted{
            {m.at("window").at(0), m.at("window").at(1)}, m.at("shift").at(0), m.at("shift").at(1)};
        const Tensor mask = shift_mask(map, fitted_to(map, wanted), m.at("masked_value"),
                                       target.dtype, target.device);
        const Json& expected = file.at("attn_mask")[i].at("mask");
        check.require("shape of mask " + std::to_string(i),
                      mask.shape() == shape_from(expected.at("shape")));
        check.values("mask " + std::to_string(i), mask.to_vector(), numbers_from(expected), 0.0,
                     true);
    }
    return true;
}

}  // namespace fovea::parity
