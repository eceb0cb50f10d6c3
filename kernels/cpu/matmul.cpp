// General batched matrix product on oneDNN's matmul primitive.
#include "kernels/include/matmul.h"

#include <bit>
#include <utility>

#include "kernels/cpu/dnnl_support.h"

namespace fovea::kernels::cpu {
namespace {

/// A matrix, or a batch of them, as the library sees it: batch x rows x columns after transposing.
struct Operand {
    std::int64_t batch, rows, columns;
    std::int64_t batch_stride, row_stride, column_stride;

    template <class P>
    Operand(const BasicView<P>& v, bool transpose) {
        rows = v.dim(-2);
        columns = v.dim(-1);
        // An axis of extent 1 may carry any stride, the library wants a leading dimension >= width.
        row_stride = rows == 1 ? columns : v.strides[-2];
        column_stride = 1;
        if (transpose) {
            std::swap(rows, columns);
            std::swap(row_stride, column_stride);
        }
        const std::int64_t extent = v.rank() == 3 ? v.dim(0) : 1;
        const bool repeated = extent == 1 || v.strides[0] == 0;
        batch = repeated ? 1 : extent;
        batch_stride = repeated ? rows * columns : v.strides[0];
    }

    dnnl::memory::desc desc() const {
        return f32_desc({batch, rows, columns}, {batch_stride, row_stride, column_stride});
    }
};

Plan make_plan(const Operand& c, const Operand& a, const Operand& b, float alpha, bool accumulate) {
    dnnl::primitive_attr attr = user_scratchpad();
    if (alpha != 1.0F) attr.set_output_scales(0, {alpha});
    if (accumulate) {
        dnnl::post_ops sum;
        sum.append_sum(1.0F);
        attr.set_post_ops(sum);
    }
    const dnnl::matmul::primitive_desc desc({a.desc(), b.desc(), c.desc()}, attr, dnnl_engine());
    return {Prepared(
                dnnl::matmul(desc), desc.scratchpad_desc(),
                {{DNNL_ARG_SRC, a.desc()}, {DNNL_ARG_WEIGHTS, b.desc()}, {DNNL_ARG_DST, c.desc()}}),
            {}};
}

}  // namespace

void matmul(const Stream& stream, View c, CView a, CView b, bool transpose_a, bool transpose_b,
            double alpha, GradMode mode) {
    if (mode == GradMode::Ignore || c.numel() == 0) return;
    const Operand to(c, false), left(a, transpose_a), right(b, transpose_b);
    if (left.columns == 0) {  // an empty sum
        if (mode == GradMode::Overwrite) fill(stream, c, 0.0);
        return;
    }
    if (to.batch > 1 && left.batch == 1 && right.batch == 1) {
        // The library wants an operand that differs from matrix to matrix: take them one by one.
        View one = c;
        one.shape[0] = 1;
        for (std::int64_t i = 0; i < to.batch; ++i) {
            one.data = c.as<float>() + i * to.batch_stride;
            matmul(stream, one, a, b, transpose_a, transpose_b, alpha, mode);
        }
        return;
    }
    const bool accumulate = mode == GradMode::Accumulate;
    const auto scale = static_cast<float>(alpha);
    const PlanKey key{1,
                      to.batch,
                      to.rows,
                      to.columns,
                      left.batch,
                      left.columns,
                      right.batch,
                      to.batch_stride,
                      to.row_stride,
                      left.batch_stride,
                      left.row_stride,
                      left.column_stride,
                      right.batch_stride,
                      right.row_stride,
                      right.column_stride,
                      std::bit_cast<std::int32_t>(scale),
                      accumulate};
    Plan& ready = plan(key, [&] { return make_plan(to, left, right, scale, accumulate); });
    ready.main.set(DNNL_ARG_SRC, a.data);
    ready.main.set(DNNL_ARG_WEIGHTS, b.data);
    ready.main.set(DNNL_ARG_DST, c.data);
    ready.main.run();
}

}  // namespace fovea::kernels::cpu
