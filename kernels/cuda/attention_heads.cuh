// The rows and scores of plain attention: [B,T,H,D] views with a dense last axis.
#pragma once

#include "kernels/cuda/attention_tiles.cuh"

namespace fovea::kernels::cuda::attention {

/// A [B,T,H,D] view; strides in elements.
template <class T>
struct Heads {
    T* data;
    Index batch_stride, token_stride, head_stride;

    template <class V>
    explicit Heads(const V& view)
        : data(view.template as<std::remove_const_t<T>>()), batch_stride(view.strides[0]),
          token_stride(view.strides[1]), head_stride(view.strides[2]) {}

    __device__ __forceinline__ StridedRows<T> rows(Index batch, Index head) const {
        return {data + batch * batch_stride + head * head_stride, token_stride};
    }
};

template <class V>
bool in_fours(const V& x) {
    return in_fours(x.data, x.dtype, x.dim(3), x.strides[0], x.strides[1], x.strides[2]);
}

/// Scores that are scaled products.
struct ScaledScores {
    struct Token {};

    float factor;  ///< scale * log2(e)

    __device__ __forceinline__ Token token(Index) const { return {}; }
    __device__ __forceinline__ float operator()(float product, Token, Token) const {
        return factor * product;
    }
};

/// What all kernels of plain attention know.
struct Sizes {
    Index B, H, queries, keys, query_tiles, key_tiles;
    int D;
    float scale;

    Sizes(const CView& q, const CView& k, double s)
        : B(q.dim(0)), H(q.dim(2)), queries(q.dim(1)), keys(k.dim(1)),
          query_tiles(ceil_div(queries, kTile)), key_tiles(ceil_div(keys, kTile)),
          D(static_cast<int>(q.dim(3))), scale(static_cast<float>(s)) {}

    ScaledScores scores() const { return {scale * kLog2e}; }
};

/// The tile, head and batch of a block, of `tiles` a head: tiles fastest, so that neighbours share keys
/// or queries.
struct Block {
    Index tile, head, batch;

    __device__ __forceinline__ Block(Index tiles, Index heads) {
        Index block = blockIdx.x;
        tile = block % tiles;
        block /= tiles;
        head = block % heads;
        batch = block / heads;
    }
};

inline dim3 blocks(const Sizes& s, Index tiles) {
    return dim3(static_cast<unsigned>(s.B * s.H * tiles));
}

}  // namespace fovea::kernels::cuda::attention
