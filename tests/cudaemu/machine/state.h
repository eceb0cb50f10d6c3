// The state of a running kernel: frames, warps, blocks, the launch. Registers live as
// [register][lane], a predicate is a mask of lanes, and lanes are grouped by (call depth, program
// counter).
#pragma once

#include <atomic>
#include <deque>
#include <mutex>

#include "tests/cudaemu/decode/program.h"
#include "tests/cudaemu/machine/memory.h"
#include "tests/cudaemu/machine/race.h"
#include "tests/cudaemu/machine/statistics.h"

namespace fovea::cudaemu {

struct Block;
struct Launch;
struct Worker;

/// The registers of one function at one call depth, for the lanes that are in it.
struct Frame {
    const Program* prog = nullptr;
    u8* regs = nullptr;
    size_t regs_cap = 0;
    u32 depth = 0;
    u32 live = 0;  // lanes
    // Where each lane goes on after its return.
    u32 ret_pc[kWarp];
    u32 ret_site[kWarp];
    Frame* parent[kWarp];
    u32 local_base[kWarp];
    std::vector<u8> params;  // [lane][Program::param_bytes]

    Frame() = default;
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;
    ~Frame() { free(regs); }
};

/// One cp.async of a warp whose data has not landed yet.
struct AsyncCopy {
    u32 mask;
    u32 bytes;
    u32 group[kWarp];
    u32 dst[kWarp];
    u8 data[kWarp][16];
};

struct Warp {
    Block* block = nullptr;
    u32 id = 0;
    u32 live = 0;                     // lanes that have not exited
    u32 wait_sync = 0, wait_bar = 0;  // of these, who waits for the warp, and at a block barrier
    u32 pc[kWarp];
    Frame* fr[kWarp];
    u8 bar_id[kWarp];
    std::vector<std::unique_ptr<Frame>> frames;  // [0] is the kernel's
    std::vector<u8> local;                       // [lane][KernelImage::local_per_thread]
    u32 carry = 0;                               // the carry flag of each lane

    std::deque<AsyncCopy> async;
    u32 commit[kWarp];  // cp.async groups committed

    u32 yields = 0;       // so that diverged groups take turns
    bool rotate = false;  // the next pick prefers the other group
    u32 polls = 0;        // mbarrier waits that failed, in a row
    bool cluster_wait = false;
    u32 cluster_phase = 0;
    u64 insts = 0;  // instructions run

    enum Status { Running, Blocked, Done };
    /// Runs up to `budget` instructions.
    Status run(Context& c, u64 budget);
    Frame* get_frame(const Program* p, u32 depth);

private:
    // Lanes that run together: at one program counter of one frame, up to where others wait.
    struct Group {
        u32 mask = 0;  // none: nobody can run
        Frame* frame = nullptr;
        u32 pc = 0;
        u32 limit = ~0u;
    };
    Group pick();
    u32 complete_sync();
    // Instructions that move lanes apart or together; `active` of the group's lanes execute it.
    void branch_indexed(Context& c, const Instruction& I, Group g, u32 active);
    bool synchronise(Context& c, const Instruction& I, Group g, u32 active);
    void call(Context& c, const Instruction& I, Group g, u32 active);
    void enter(Context& c, const Instruction& I, Group g, u32 lanes, const Program* callee);
    void leave(Context& c, const Instruction& I, Group g, u32 active);
};

struct NamedBarrier {
    bool active = false;
    u32 expected = 0;       // threads; 0: all
    u32 arrived_extra = 0;  // threads that do not wait (bar.arrive)
    u32 red_and = 1, red_or = 0, red_popc = 0;
};

/// A bulk copy into shared memory: it lands when somebody polls its mbarrier.
struct BulkCopy {
    u32 mbar = 0, dst = 0;
    std::vector<u8> data;
};

struct Block {
    const Launch* launch = nullptr;
    Worker* worker = nullptr;
    u32 ctaid[3];
    u32 linear = 0;  // the number in the grid
    u32 nthreads = 0, nwarps = 0;
    std::vector<std::unique_ptr<Warp>> warps;
    u8* smem = nullptr;
    u32 smem_size = 0;  // with the first KiB, which is reserved
    size_t smem_cap = 0;
    NamedBarrier bars[16];
    u32 cursor = 0;  // the warp that goes first
    std::vector<BulkCopy> bulk;
    RaceShadow race;

    u32 cluster_rank = 0, cluster_size = 1;
    u32 cluster_ctaid[3] = {0, 0, 0};
    std::vector<Block*>* cluster = nullptr;
    u32 cluster_arrived = 0, cluster_gen = 0;  // of block 0 of the cluster

    Block() = default;
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() { free(smem); }

    void start(const Launch* l, Worker* w, u32 index);
    enum Status { Progress, Stuck, Done };
    Status run(Context& c);

    /// Lanes of a warp arrive at barrier `id` of `count` threads (0: all), to wait or not.
    void barrier_arrive(Context& c, Warp& w, u32 lanes, u32 id, u32 count, bool wait);
    /// Exited threads are missed by nobody: this may complete a barrier.
    void threads_exited(Context& c);
    [[noreturn]] void deadlock(Context& c);

private:
    void start_warp(u32 k);
    bool any_live() const;
    bool step_every_warp(Context& c);
    void check_livelock(Context& c);
    bool barrier_complete(u32 id);
    void barrier_release(Context& c, u32 id);
    void release_lanes(Context& c, Warp& w, u32 lanes, const NamedBarrier& b);
};

struct Launch {
    KernelImage* image = nullptr;
    u32 grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, cluster[3] = {1, 1, 1};
    u32 dyn_smem = 0;
    bool cooperative = false;
    int device = 0;
    u64 grid_id = 0;
    std::vector<u8> params;
    std::vector<u8> extra;  // what a grid-wide barrier counts in

    std::atomic<u64> next{0};  // block
    std::atomic<bool> failed{false};
    std::mutex mu;  // guards message and error
    std::string message;
    int error = 0;
    KernelStats* stats = nullptr;
    u32 workers = 1;

    u64 nblocks() const { return u64(grid[0]) * grid[1] * grid[2]; }
    u32 cluster_blocks() const { return cluster[0] * cluster[1] * cluster[2]; }
};

/// One thread of the host.
struct Worker {
    u32 id = 0;
    std::vector<std::unique_ptr<Block>> blocks;
    Rng rng{1};
    WorkerStats st;
    AllocCache cache;
};

/// What an instruction sees while it runs.
struct Context {
    u8* base[2] = {nullptr, nullptr};  // registers, constants
    u32 mask = 0;                      // lanes that execute
    bool check = false;
    bool stats = false;
    Warp* warp = nullptr;
    Block* block = nullptr;
    Frame* frame = nullptr;
    const Program* prog = nullptr;
    const Launch* launch = nullptr;
    Worker* worker = nullptr;
    const Instruction* inst = nullptr;
};

/// Runs all blocks; a violation ends up in the launch.
void run_launch(Launch& l);

u64 dynamic_sreg(Context& c, SR id);
void init_warp_sregs(Warp& w, Frame& f);

// ---- violations ---------------------------------------------------------------------------------

// cudaError_t, without CUDA's headers.
constexpr int kErrIllegalAddress = 700, kErrLaunchFailure = 719, kErrMisaligned = 716,
              kErrIllegalInstruction = 715, kErrAssert = 710, kErrLaunchTimeout = 702;

struct Violation : std::runtime_error {
    int error;
    Violation(int e, const std::string& m) : std::runtime_error(m), error(e) {}
};

/// Throws a Violation that names instruction, block and thread.
[[noreturn]] void violation(Context& c, int lane, int error, const std::string& what);

/// "kernel K, block (..), thread (..)", the PTX line, the source line.
std::string where(const Context& c, const Instruction* I, int lane);

}  // namespace fovea::cudaemu
