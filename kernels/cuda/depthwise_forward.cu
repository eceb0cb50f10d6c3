// Depthwise convolution forward: y [N,P,Q,C] = x [N,H,W,C] * w [C,R,S] + bias [C]. 3x3 filters of
// stride 1 or 2 without dilation, in 16-byte chunks of channels: depthwise_3x3.cuh, which moves x
// and y once. All others: depthwise_gather.cuh.
#include "kernels/cuda/conv_paths.h"
#include "kernels/cuda/depthwise_3x3.cuh"
#include "kernels/cuda/depthwise_gather.cuh"

namespace fovea::kernels::cuda {

void depthwise_forward(const Stream& stream, View y, CView x, CView w, CView bias,
                       const ConvParams& params) {
    const int stride = plain_3x3_stride(w, params);
    bool done = false;
    with_float(y.dtype, [&]<class T>(std::type_identity<T>) {
        if (stride == 0 ||
            !chunks_fit<T>(x.dim(3), x.as<T>(), y.as<T>(), w.as<T>(), bias.as<float>()))
            return;
        const Depthwise3x3 shape{narrow(x.dim(0)),          narrow(x.dim(3)),
                                 narrow(x.dim(1)),          narrow(x.dim(2)),
                                 narrow(y.dim(1)),          narrow(y.dim(2)),
                                 narrow(params.padding[0]), narrow(params.padding[1])};
        const auto run =
            stride == 1 ? launch_depthwise_3x3<T, 1, false> : launch_depthwise_3x3<T, 2, false>;
        run(stream, y.as<T>(), x.as<T>(), w.as<T>(), bias.as<float>(), shape);
        done = true;
    });
    if (!done) launch_depthwise_gather<Direction::Forward>(stream, y, x, w, bias, params);
}

}  // namespace fovea::kernels::cuda
