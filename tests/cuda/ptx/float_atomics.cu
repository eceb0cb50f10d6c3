// What must not be in a kernel: sums whose order, and with it the result, changes from run to run. Only
// compiled: tests/cuda/ptx.sh must find every kernel of this file guilty.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

// ---- as CUDA spells them ------------------------------------------------------------------------

__global__ void float_result_unused(float* p) { atomicAdd(p, 1.0f); }
__global__ void float_result_used(float* p) { p[1] = atomicAdd(p, 1.0f); }
__global__ void float_under_a_predicate(float* p, int n) {
    if (!(n & threadIdx.x)) atomicAdd(p, 1.0f);
}
__global__ void float_in_shared_memory(float* p) {
    __shared__ float sum;
    if (threadIdx.x == 0) sum = 0.0f;
    __syncthreads();
    atomicAdd(&sum, p[threadIdx.x]);
    __syncthreads();
    *p = sum;
}
__global__ void float_of_the_system(float* p) { atomicAdd_system(p, 1.0f); }
__global__ void two_in_double(double* p) { atomicAdd(p, 1.0); }
__global__ void in_half(__half* p) { atomicAdd(p, __float2half(1.0f)); }
__global__ void in_half2(__half2* p) { atomicAdd(p, p[1]); }
__global__ void in_bfloat16(__nv_bfloat16* p) { atomicAdd(p, p[1]); }  // sm_80: a loop of cas.b16
__global__ void in_bfloat162(__nv_bfloat162* p) { atomicAdd(p, p[1]); }

// ---- in disguise --------------------------------------------------------------------------------

__global__ void float_by_compare_and_swap(int* p) {
    int seen = *p, wanted;
    do {
        wanted = seen;
        seen = atomicCAS(p, wanted, __float_as_int(1.0f + __int_as_float(wanted)));
    } while (seen != wanted);
}
__global__ void double_by_compare_and_swap(unsigned long long* p) {
    unsigned long long seen = *p, wanted;
    do {
        wanted = seen;
        seen = atomicCAS(p, wanted, __double_as_longlong(1.0 + __longlong_as_double(wanted)));
    } while (seen != wanted);
}
__global__ void float_by_exchange(float* p) {
    for (float mine = 1.0f; mine != 0.0f;) mine = atomicExch(p, mine + atomicExch(p, 0.0f));
}
__global__ void largest_by_bits(int* p, float v) { atomicMax(p, __float_as_int(v)); }

// ---- as PTX spells them, for any architecture ---------------------------------------------------

__global__ void negated_predicate(float* p, int n) {
    asm volatile(
        "{ .reg .pred p; setp.ne.s32 p, %1, 0; @!p red.global.add.f32 [%0], 0f3F800000; }" ::"l"(p),
        "r"(n));
}
__global__ void behind_a_counter(float* p, unsigned* n) {
    asm volatile(
        "{ .reg .u32 t; atom.global.inc.u32 t, [%1], 7; red.global.add.f32 [%0], 0f3F800000; }" ::
            "l"(p),
        "l"(n));
}
__global__ void four_at_once(float* p) {
    asm volatile(
        "red.relaxed.gpu.global.add.v4.f32 [%0], {0f00000000, 0f00000000, 0f00000000, "
        "0f3F800000};" ::"l"(p));
}
__global__ void without_a_space(float* p) {
    asm volatile("red.add.f32 [%0], 0f3F800000;" ::"l"(p));
}
__global__ void of_a_cluster(unsigned p) {
    asm volatile("atom.shared::cluster.add.f32 _, [%0], 0f3F800000;" ::"r"(p));
}
__global__ void whole_block_of_memory(float* p, unsigned from) {
    asm volatile(
        "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], 16;" ::"l"(p),
        "r"(from));
}
__global__ void of_many_devices(float* p) {
    asm volatile("multimem.red.relaxed.sys.global.add.f32 [%0], 0f3F800000;" ::"l"(p));
}
