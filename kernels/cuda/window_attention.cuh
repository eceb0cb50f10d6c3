// Where the rows of windows lie and what is added to their scores: window attention is attention
// (attention_forward.cuh, attention_backward.cuh) with other addresses. Roll and partition of the map
// are never carried out: a block keeps, for the window it is at, the place of every token in the map.
//
// Bias: one column (head) of the table lies in shared memory, entry (i, j) of its (2 rows - 1) x
// (2 columns - 1) numbers as word (2 columns - 1) i + 2 j, a place that no other entry has. The word
// for a pair of tokens is offset(query) - offset(key) + middle, where offset(t) = 2 t - t / columns.
// Reading it is free of bank conflicts where windows have at most 15 columns: a warp's 16 keys are
// neighbours, and so are its 2 queries. Offsets grow by 2 from a token to the next, by 1 from one row to
// the next, which happens among any 16 keys: the words span at most 29 + 2 < 32, so that no two of
// them share a bank.
// Mask: tokens of different regions get masked_value added.
#pragma once

#include "kernels/cuda/attention_tiles.cuh"
#include "kernels/include/window_attention.h"

namespace fovea::kernels::cuda::attention {

/// Rows of one head in one window of a [B,H,W,stride] map.
template <class T>
struct WindowRows {
    T* data;
    Index stride;
    const int* places;

    __device__ __forceinline__ T* row(Index token) const { return data + places[token] * stride; }
};

/// Scores with bias and mask, in base 2.
struct WindowScores {
    using Token = int;  ///< its offset, and 2^16 times its region

    const float* bias;  ///< [2 middle + 1], times log2(e)
    const int* tokens;
    float factor, masked;  ///< scale and masked_value, times log2(e)
    int middle;            ///< word of a token with itself

    __device__ __forceinline__ Token token(Index i) const { return tokens[i]; }
    __device__ __forceinline__ float operator()(float product, Token query, Token key) const {
        const int word = (query & 0xFFFF) - (key & 0xFFFF) + middle;
        const float mask = (query ^ key) > 0xFFFF ? masked : 0.0F;
        return factor * product + (bias[word] + mask);
    }
};

/// What all kernels of window attention know.
struct WindowSizes {
    WindowGrid grid;
    Index windows;  ///< of all images
    Index heads, C;
    int D, tokens, table_rows, middle;
    float scale, masked_value;

    WindowSizes(const CView& qkv, const WindowParams& p)
        : grid(qkv.dim(1), qkv.dim(2), p), windows(qkv.dim(0) * grid.windows()), heads(p.heads),
          C(qkv.dim(3) / 3), D(static_cast<int>(C / p.heads)),
          tokens(static_cast<int>(grid.tokens())), table_rows(static_cast<int>(grid.table_rows())),
          middle(offset(tokens - 1)), scale(static_cast<float>(p.scale)),
          masked_value(static_cast<float>(p.masked_value)) {
        if (grid.tokens() > 1024)  // the bias table and the places are kept in shared memory
            throw std::runtime_error("window attention on CUDA: a window has at most 1024 tokens");
    }

    __host__ __device__ int offset(int token) const {
        return 2 * token - token / static_cast<int>(grid.columns);
    }
    __host__ __device__ int tiles() const { return (tokens + kTile - 1) / kTile; }
    __host__ __device__ int padded_tokens() const { return tiles() * kTile; }
    /// Bytes of shared memory behind the tiles.
    std::size_t shared_bytes() const {
        return sizeof(float) * static_cast<std::size_t>(2 * middle + 1 + 2 * padded_tokens());
    }
};

/// The window that a block is at, in shared memory. Places count from the first image's first token: a
/// batch of 2^31 tokens fits into no memory.
class WindowState {
public:
    __device__ WindowState(float* shared, const WindowSizes& sizes)
        : sizes_(sizes), places_(reinterpret_cast<int*>(shared)),
          tokens_(places_ + sizes.padded_tokens()), bias_(shared + 2 * sizes.padded_tokens()) {}

    /// Takes column `head` of the table, or zeros. The caller puts a barrier behind.
    __device__ void load_bias(const float* table, Index head) {
        const int wide = 2 * static_cast<int>(sizes_.grid.columns) - 1;
        for (int w = static_cast<int>(threadIdx.x); w <= 2 * sizes_.middle; w += blockDim.x) {
            int i = w / wide;
            i -= (w - i) & 1;  // w - wide i = 2 j is even, and wide is odd
            if (i < 0 || i * wide >= sizes_.table_rows) continue;  // no entry's word
            const Index row = i * wide + (w - i * wide) / 2;
            bias_[w] = table == nullptr ? 0.0F : kLog2e * table[row * sizes_.heads + head];
        }
    }

    /// Goes to window `window` of all images. The caller puts barriers before and behind.
    __device__ void enter(Index window) {
        const WindowGrid& grid = sizes_.grid;
        const Index per_image = grid.windows(), local = window % per_image;
        const Index image = window / per_image * grid.height * grid.width;
        for (int t = static_cast<int>(threadIdx.x); t < sizes_.padded_tokens(); t += blockDim.x) {
            const bool exists = t < sizes_.tokens;
            const int offset = sizes_.offset(min(t, sizes_.tokens - 1));
            places_[t] = exists ? static_cast<int>(image + grid.place(local, t)) : 0;
            tokens_[t] = offset + (exists ? grid.region(local, t) << 16 : 0);
        }
    }

    /// Rows of a [B,H,W,width] map from column `first` on.
    template <class T>
    __device__ WindowRows<T> rows(T* map, Index width, Index first) const {
        return {map + first, width, places_};
    }

    __device__ WindowScores scores() const {
        return {bias_, tokens_, sizes_.scale * kLog2e, sizes_.masked_value * kLog2e, sizes_.middle};
    }

private:
    const WindowSizes& sizes_;
    int *places_, *tokens_;
    float* bias_;
};

/// Consecutive windows that a block takes, so that it loads its column of the table once for several:
/// as many as leave `blocks` blocks, at most `most`. A function of the shape alone.
inline Index windows_a_block(const WindowSizes& s, Index blocks_a_window, Index blocks,
                             Index most) {
    return std::clamp<Index>(s.windows * blocks_a_window / blocks, 1, most);
}

}  // namespace fovea::kernels::cuda::attention
