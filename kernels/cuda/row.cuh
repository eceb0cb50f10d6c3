// Rows of a [rows, C] matrix, each in the hands of a team of neighbouring threads: the shape shared by
// LayerNorm, softmax and cross-entropy.
//
// A team is part of a warp for short rows, a warp, or a whole block for long ones. Chunk k of a row (V
// elements) belongs to lane k % Team, so neighbouring lanes touch neighbouring chunks. A row is read
// once into registers, Steps chunks a lane; rows too long for that (Steps = 0) are read again whenever
// they are visited.
#pragma once

#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/reduce.cuh"

namespace fovea::kernels::cuda {

template <int V_, int Team_, int Steps_>
struct RowPlan {
    static constexpr int V = V_, Team = Team_, Steps = Steps_;
    static constexpr int kThreads = Team < 128 ? 128 : Team;
    static constexpr int kTeams = kThreads / Team;  ///< rows a block handles at a time
    static constexpr int kWarps = kThreads / kWarp;
    static constexpr int kResident = Steps == 0 ? 2 : 1;  ///< blocks on a multiprocessor, at least

    __device__ static int lane() { return static_cast<int>(threadIdx.x) % Team; }
    __device__ static Index row() {
        return static_cast<Index>(blockIdx.x) * kTeams + static_cast<int>(threadIdx.x) / Team;
    }
    static Launch launch(Index rows) {
        return {dim3(static_cast<unsigned>(ceil_div(rows, kTeams))), dim3(kThreads)};
    }
};

/// The combination of the values of a team's lanes, in all of them. All threads of the block take part.
/// `scratch` (shared, one float a warp) serves one call.
template <class Plan, class Op = Plus>
__device__ __forceinline__ float team_reduce(float x, float* scratch, Op op = {}) {
    if constexpr (Plan::Team <= kWarp)
        return warp_reduce<Plan::Team>(x, op);
    else
        return block_reduce<Plan::Team>(x, scratch, op);
}

/// This thread's chunks of one row, or of the same row of several matrices: an Item is float[V], or a
/// struct of such. fetch(item, column) reads the chunks that begin there.
template <class Plan, class Item, class Fetch>
class Row {
public:
    static constexpr bool kept = Plan::Steps > 0;

    __device__ __forceinline__ Row(int C, Fetch fetch) : C_(C), fetch_(fetch) {
        if constexpr (kept) {
#pragma unroll
            for (int s = 0; s < Plan::Steps; ++s)
                if (column(s) < C_) fetch_(x_[s], column(s));
        }
    }

    /// f(x, column) for every chunk, in order. What f changes in x stays there if `kept`, and is lost
    /// otherwise.
    template <class F>
    __device__ __forceinline__ void visit(F f) {
        if constexpr (kept) {
#pragma unroll
            for (int s = 0; s < Plan::Steps; ++s)
                if (column(s) < C_) f(x_[s], column(s));
        } else {
#pragma unroll 1
            for (int s = 0; column(s) < C_; ++s) {
                Item x = {};
                fetch_(x, column(s));
                f(x, column(s));
            }
        }
    }

    /// The same in all lanes together, for functions that exchange numbers: also for a lane that has no
    /// chunk (column >= C) while another lane of its team has one.
    template <class F>
    __device__ __forceinline__ void visit_together(F f) {
        if constexpr (kept) {
#pragma unroll
            for (int s = 0; s < Plan::Steps; ++s)
                if (s * Plan::Team * Plan::V < C_) f(x_[s], column(s));
        } else {
#pragma unroll 1
            for (int s = 0; s * Plan::Team * Plan::V < C_; ++s) {
                Item x = {};
                if (column(s) < C_) fetch_(x, column(s));
                f(x, column(s));
            }
        }
    }

private:
    __device__ static int column(int step) { return (Plan::lane() + step * Plan::Team) * Plan::V; }

    int C_;
    Fetch fetch_;
    Item x_[kept ? Plan::Steps : 1] = {};
};

/// A chunk as it lies in memory, where BF16 takes half the registers of floats.
template <class T, int V>
class KeptChunk {
public:
    __device__ __forceinline__ void fetch(const T* p) { word_ = *reinterpret_cast<const Word*>(p); }
    __device__ __forceinline__ void round(const float (&x)[V]) {
        store_chunk<V>(reinterpret_cast<T*>(&word_), x);
    }
    /// The assembly is empty, but nvcc cannot know that it gets the same numbers each time, and so does
    /// not keep those of the last visit for the next.
    __device__ __forceinline__ void convert(float (&x)[V]) const {
        Word word = word_;
        if constexpr (V > 1 && sizeof(T) < sizeof(float))
            asm volatile("" : "+r"(word.x), "+r"(word.y), "+r"(word.z), "+r"(word.w));
        load_chunk<V>(x, reinterpret_cast<const T*>(&word));
    }

private:
    using Word = std::conditional_t<V == 1, T, uint4>;
    Word word_;
};

template <class Plan, class Item = float[Plan::V], class Fetch>
__device__ __forceinline__ Row<Plan, Item, Fetch> make_row(int C, Fetch fetch) {
    return Row<Plan, Item, Fetch>(C, fetch);
}

/// Calls f(RowPlan{}) for rows of C elements of T. Deep: the most chunks of 16 bytes that a lane may
/// keep; fewer where a kernel keeps several tensors.
template <class T, int Deep, class F>
void with_row_plan(Index C, bool fits, F f) {
    const Index chunks = fits ? C / kLanes<T> : C;
    if (fits) {
        constexpr int V = kLanes<T>;
        if (chunks <= 4 * 3) return f(RowPlan<V, 4, 3>{});
        if (chunks <= 8 * 3) return f(RowPlan<V, 8, 3>{});
        if (chunks <= 16 * 3) return f(RowPlan<V, 16, 3>{});
        if (chunks <= 32 * 3) return f(RowPlan<V, 32, 3>{});
        if (chunks <= 32 * Deep) return f(RowPlan<V, 32, Deep>{});
        if (chunks <= 128 * 3) return f(RowPlan<V, 128, 3>{});
        if (chunks <= 512 * 3) return f(RowPlan<V, 512, 3>{});
        return f(RowPlan<V, 512, 0>{});
    }
    if (chunks <= 8 * 3) return f(RowPlan<1, 8, 3>{});
    if (chunks <= 32 * 8) return f(RowPlan<1, 32, 8>{});
    if (chunks <= 512 * 8) return f(RowPlan<1, 512, 8>{});
    f(RowPlan<1, 512, 0>{});
}

}  // namespace fovea::kernels::cuda
