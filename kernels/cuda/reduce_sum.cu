// y (+)= scale * sum of x over the axes where y's extent is 1 and x's is not.
//
// Kept and summed axes are merged into two loops; which of them walks x densely decides between sums
// of columns (sum_columns.cu) and sums of rows (sum_rows.cu). y: F32, or x's dtype.
#include "kernels/cuda/sum_stage.cuh"
#include "kernels/include/elementwise.h"
#include "kernels/include/reduce.h"

namespace fovea::kernels::cuda {

template <class T, class Y>
void sum_stage(const Stream& stream, const SumStage<T, Y>& stage) {
    const bool columns = stage.kept.shape.rank > 0 && stage.kept.strides[1][-1] == 1;
    return columns ? sum_columns(stream, stage) : sum_rows(stream, stage);
}

template void sum_stage(const Stream&, const SumStage<float, float>&);
template void sum_stage(const Stream&, const SumStage<float, BFloat16>&);
template void sum_stage(const Stream&, const SumStage<BFloat16, float>&);
template void sum_stage(const Stream&, const SumStage<BFloat16, BFloat16>&);

void reduce_sum(const Stream& stream, View y, CView x, double scale, GradMode mode) {
    if (!y || y.numel() == 0 || mode == GradMode::Ignore) return;
    if (x.numel() == 0) {  // a sum of nothing
        if (mode == GradMode::Overwrite) fill(stream, y, 0.0);
        return;
    }
    StridedLoop<2> kept;
    StridedLoop<1> summed;
    for (int axis = 0; axis < x.rank(); ++axis) {
        if (y.dim(axis) == x.dim(axis))
            kept.push(x.dim(axis), {y.strides[axis], x.strides[axis]});
        else
            summed.push(x.dim(axis), {x.strides[axis]});
    }
    kept = kept.merged();
    summed = summed.merged();
    if (summed.shape.rank == 0) summed.push(1, {0});
    const auto sum = [&]<class T, class Y>(std::type_identity<T>, std::type_identity<Y>) {
        for_each_piece(kept, [&](const StridedLoop<2>& outputs, const Offsets<2>& from) {
            bool add = mode == GradMode::Accumulate;
            for_each_piece(summed, [&](const StridedLoop<1>& terms, const Offsets<1>& first) {
                sum_stage(stream, SumStage<T, Y>{y.as<Y>() + from.at[0],
                                                 x.as<T>() + from.at[1] + first.at[0], outputs,
                                                 terms, static_cast<float>(scale), add});
                add = true;
            });
        });
    };
    with_float(x.dtype, [&]<class T>(std::type_identity<T> in) {
        if (y.dtype == DType::F32)
            sum(in, std::type_identity<float>{});
        else
            sum(in, in);
    });
}

}  // namespace fovea::kernels::cuda
