// A row of F32 numbers in shared memory, for blocks that ask for it again and again.
//
// A chunk of 8 is two quads (4 numbers, 16 bytes). All first quads lie side by side, then all second
// ones, so that the lanes of a warp, which read neighbouring chunks quad by quad, never meet in a bank;
// nor do those that bring them, since second quads begin half a round of the banks after first ones.
#pragma once

#include "kernels/cuda/chunk.cuh"
#include "kernels/cuda/shared_store.cuh"

namespace fovea::kernels::cuda {

/// V: numbers of a chunk. Lives in the kernel's dynamic shared memory, bytes(C) of it, behind Front
/// numbers (a multiple of 4) for other purposes.
template <int V, int Front>
class SharedRow {
public:
    static std::size_t bytes(Index C) {
        const Index numbers = V == 1 ? C : static_cast<Index>(pitch_of(static_cast<int>(C))) * V;
        return static_cast<std::size_t>(Front + numbers) * sizeof(float);
    }

    /// x [C], or ones where x is null. All threads of the block take part; a barrier is behind it.
    __device__ SharedRow(const float* x, int C) : pitch_(pitch_of(C)) {
        extern __shared__ float4 memory[];
        numbers_ = reinterpret_cast<float*>(memory) + Front;
        for (int i = static_cast<int>(threadIdx.x) * kPiece; i < C;
             i += static_cast<int>(blockDim.x) * kPiece) {
            float piece[kPiece];
            load_chunk_or<kPiece>(piece, x, i, 1.0f);
            if constexpr (V == 1)
                numbers_[i] = piece[0];
            else
                store_shared(quad(i / 4 % kQuads, i / V), piece[0], piece[1], piece[2], piece[3]);
        }
        __syncthreads();
    }

    __device__ float* front() const { return numbers_ - Front; }

    /// The chunk that begins at `column`.
    __device__ __forceinline__ void load_chunk_at(float (&x)[V], int column) const {
        if constexpr (V == 1) {
            x[0] = numbers_[column];
        } else {
#pragma unroll
            for (int q = 0; q < kQuads; ++q) {
                const float4 e = *reinterpret_cast<const float4*>(quad(q, column / V));
                x[4 * q] = e.x, x[4 * q + 1] = e.y, x[4 * q + 2] = e.z, x[4 * q + 3] = e.w;
            }
        }
    }

private:
    static constexpr int kPiece = V == 1 ? 1 : 4, kQuads = V / kPiece;

    /// Quads from a chunk's first to its second.
    __host__ __device__ static int pitch_of(int C) {
        return kQuads == 1 ? C / V : (C / V + 7) / 8 * 8 + 4;
    }
    __device__ float* quad(int q, int chunk) const { return numbers_ + (q * pitch_ + chunk) * 4; }

    float* numbers_;
    int pitch_;
};

}  // namespace fovea::kernels::cuda
