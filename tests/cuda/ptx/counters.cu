// What kernels may do: count with integers, wait for each other, reduce within a warp. Only compiled:
// tests/cuda/ptx.sh must find nothing here.
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/turns.cuh"

using namespace fovea::kernels::cuda;

__global__ void tickets(unsigned* counter, unsigned* turn, float* sum) {
    __shared__ unsigned ticket;
    if (is_first_thread()) ticket = take_ticket(counter, gridDim.x);
    __syncthreads();
    wait_turn(turn, ticket);
    if (is_first_thread()) *sum += static_cast<float>(ticket);
    pass_turn(turn, ticket + 1);
}

__global__ void last_one(unsigned* counter, float* sum) {
    if (is_last_to_arrive(counter, gridDim.x) && is_first_thread()) *sum = 1.0f;
}

__global__ void within_a_warp(unsigned* redux, float* atom) {
    redux[threadIdx.x] = __reduce_add_sync(0xffffffffu, threadIdx.x);
    atom[threadIdx.x] += __shfl_xor_sync(0xffffffffu, atom[threadIdx.x], 1);
}
