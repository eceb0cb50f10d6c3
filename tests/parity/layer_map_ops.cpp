// Layer cases on maps: convolution, pooling, interpolation, position embeddings.
#include "core/ops/conv.h"
#include "core/ops/pool.h"
#include "layers/position_embedding.h"
#include "tests/parity/layer_case.h"

namespace fovea::parity {
namespace {

void read_pair(const Json& list, std::int64_t (&out)[2]) {
    out[0] = list.at(0);
    out[1] = list.at(1);
}

GridSize grid_from(const Json& list) { return {list.at(0), list.at(1)}; }

PoolParams pool_from(const Json& args) {
    PoolParams params;
    read_pair(args.at("kernel_size"), params.kernel);
    read_pair(args.at("stride"), params.stride);
    read_pair(args.at("padding"), params.padding);
    params.ceil_mode = args.at("ceil_mode");
    if (args.contains("count_include_pad")) params.count_include_pad = args.at("count_include_pad");
    return params;
}

// align_corners is null where the mode has no such choice.
bool flag(const Json& value) { return value.is_boolean() && value.get<bool>(); }

ResizeParams resize_from(const Json& args) {
    ResizeParams params;
    params.mode = choose<Interpolation>(args.at("mode"), {{"nearest", Interpolation::Nearest},
                                                          {"bilinear", Interpolation::Bilinear},
                                                          {"bicubic", Interpolation::Bicubic}});
    params.align_corners = flag(args.at("align_corners"));
    params.antialias = flag(args.at("antialias"));
    return params;
}

LayerResult conv2d(const Json& args, LayerInputs& in) {
    ConvParams params;
    read_pair(args.at("stride"), params.stride);
    read_pair(args.at("padding"), params.padding);
    read_pair(args.at("dilation"), params.dilation);
    params.groups = args.at("groups");
    const Tensor bias = args.at("bias").get<bool>() ? in("bias") : Tensor();
    return {to_nchw(ops::conv2d(to_nhwc(in("x")), to_nhwc(in("weight")), bias, params)), {}};
}

LayerResult max_pool2d(const Json& args, LayerInputs& in) {
    return {to_nchw(ops::max_pool2d(to_nhwc(in("x")), pool_from(args))), {}};
}

LayerResult avg_pool2d(const Json& args, LayerInputs& in) {
    return {to_nchw(ops::avg_pool2d(to_nhwc(in("x")), pool_from(args))), {}};
}

LayerResult adaptive_avg_pool2d(const Json& args, LayerInputs& in) {
    const GridSize size = grid_from(args.at("output_size"));
    return {to_nchw(ops::adaptive_avg_pool2d(to_nhwc(in("x")), size.rows, size.columns)), {}};
}

LayerResult interpolate(const Json& args, LayerInputs& in) {
    const GridSize size = grid_from(args.at("size"));
    if (args.at("mode") == "area")  // PyTorch's other name for it
        return {to_nchw(ops::adaptive_avg_pool2d(to_nhwc(in("x")), size.rows, size.columns)), {}};
    const ResizeParams params = resize_from(args);
    return {to_nchw(ops::interpolate(to_nhwc(in("x")), size.rows, size.columns, params)), {}};
}

LayerResult resample_abs_pos_embed(const Json& args, LayerInputs& in) {
    return {
        resample_position_embedding(in("x"), grid_from(args.at("old")), grid_from(args.at("new")),
                                    args.at("prefix_tokens"), resize_from(args)),
        {}};
}

}  // namespace

LayerOps map_ops() {
    return {
        {"conv2d",
         {{"stride", "padding", "dilation", "groups", "bias"}, {"x", "weight", "bias"}, conv2d}},
        {"max_pool2d", {{"kernel_size", "stride", "padding", "ceil_mode"}, {"x"}, max_pool2d}},
        {"avg_pool2d",
         {{"kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"},
          {"x"},
          avg_pool2d}},
        {"adaptive_avg_pool2d", {{"output_size"}, {"x"}, adaptive_avg_pool2d}},
        {"interpolate", {{"size", "mode", "align_corners", "antialias"}, {"x"}, interpolate}},
        {"resample_abs_pos_embed",
         {{"old", "new", "prefix_tokens", "mode", "align_corners", "antialias"},
          {"x"},
          resample_abs_pos_embed}},
    };
}

}  // namespace fovea::parity
