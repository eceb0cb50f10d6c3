// Blocks of one launch that wait for each other: tickets, turns, and who comes last.
//
// Waiting cannot deadlock, whatever order a device starts its blocks in: a block gets its work by a
// ticket, and waits only for work of smaller tickets. Whoever drew those runs already, and needs
// nothing of the blocks behind it.
//
// What a block wrote before it passes a turn on is seen by the block whose turn comes (PTX ISA, memory
// consistency model): the barrier orders all of the block's writes before the release by its first
// thread, the acquire that reads the released number synchronises with it, and the barrier behind it
// orders the other threads' reads after that. The scope is the device (.gpu): the blocks share its L2
// cache, and an acquire drops what its multiprocessor's L1 holds. What another block writes must not be
// read by ld.global.nc, so not through const __restrict__.
//
// All counters are zero before a launch and zero behind it (workspace.h: turns). Counters are integers;
// which block draws which ticket differs from run to run, what is computed for a ticket does not.
#pragma once

#include <cuda_runtime.h>

namespace fovea::kernels::cuda {

__device__ __forceinline__ bool is_first_thread() { return threadIdx.x == 0 && threadIdx.y == 0; }

/// The next number of 0, 1, ..., tickets - 1; for one thread of each block. The last draw takes the
/// counter back to zero.
__device__ __forceinline__ unsigned take_ticket(unsigned* counter, unsigned tickets) {
    return atomicInc(counter, tickets - 1);
}

/// Returns, to all threads of the block, when the turn is `mine`.
__device__ __forceinline__ void wait_turn(const unsigned* turn, unsigned mine) {
    if (is_first_thread()) {
        for (;;) {
            unsigned now;
            asm volatile("ld.acquire.gpu.global.u32 %0, [%1];"
                         : "=r"(now)
                         : "l"(__cvta_generic_to_global(turn))
                         : "memory");
            if (now == mine) break;
            __nanosleep(64);
        }
    }
    __syncthreads();
}

/// Makes it the turn of `next`, after all that the block's threads have written.
__device__ __forceinline__ void pass_turn(unsigned* turn, unsigned next) {
    __syncthreads();
    if (is_first_thread())
        asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(__cvta_generic_to_global(turn)),
                     "r"(next)
                     : "memory");
}

/// Has every other of the `blocks` that come here been here? Then this one sees what they wrote before,
/// and the counter is back at zero. For all threads of the block.
__device__ __forceinline__ bool is_last_to_arrive(unsigned* counter, unsigned blocks) {
    __syncthreads();
    bool last = false;
    if (is_first_thread()) {
        __threadfence();
        last = atomicInc(counter, blocks - 1) == blocks - 1;
        __threadfence();
    }
    return __syncthreads_or(last);
}

}  // namespace fovea::kernels::cuda
