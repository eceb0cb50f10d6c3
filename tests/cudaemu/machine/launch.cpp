// A launch: its blocks, over the threads of the host.
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <condition_variable>
#include <numeric>
#include <thread>

#include "tests/cudaemu/machine/config.h"
#include "tests/cudaemu/machine/state.h"

namespace fovea::cudaemu {

namespace {

// Blocks that run interleaved on one thread, as they may wait for each other.
void run_gang(Launch& l, Worker& w, const std::vector<u32>& blocks) {
    Context c;
    c.check = config().check;
    c.stats = l.stats != nullptr;
    c.worker = &w;
    c.launch = &l;
    while (w.blocks.size() < blocks.size()) w.blocks.push_back(std::make_unique<Block>());
    std::vector<Block*> gang;
    for (size_t k = 0; k < blocks.size(); k++) {
        w.blocks[k]->start(&l, &w, blocks[k]);
        gang.push_back(w.blocks[k].get());
    }
    if (l.cluster_blocks() > 1)
        for (Block* b : gang) b->cluster = &gang;

    std::vector<Block*> left = gang;
    while (!left.empty() && !l.failed.load(std::memory_order_relaxed)) {
        bool progress = false;
        std::erase_if(left, [&](Block* b) {
            const Block::Status s = b->run(c);
            progress |= s != Block::Stuck;
            return s == Block::Done;
        });
        if (!progress) {
            c.block = left[0];
            left[0]->deadlock(c);
        }
    }
}

// The order in which the blocks of a plain launch run: as numbered, or k -> a k + b mod n with an
// `a` that is coprime to n.
class BlockOrder {
public:
    explicit BlockOrder(u64 blocks) : n_(blocks) {
        if (!config().shuffle_blocks || n_ < 2) return;
        Rng rng(config().seed * 7919 + n_);
        do a_ = 1 + rng.below(u32(n_));
        while (std::gcd(a_, n_) != 1);
        b_ = rng.below(u32(n_));
    }
    u32 operator()(u64 k) const { return u32((a_ * k + b_) % n_); }

private:
    u64 n_, a_ = 1, b_ = 0;
};

// The whole grid at once: this thread's share of it.
void run_cooperative(Launch& l, Worker& w) {
    std::vector<u32> blocks;
    for (u64 i = w.id; i < l.nblocks(); i += l.workers) blocks.push_back(u32(i));
    if (!blocks.empty()) run_gang(l, w, blocks);
}

std::vector<u32> blocks_of_cluster(const Launch& l, u64 number) {
    const u64 nx = l.grid[0] / l.cluster[0], ny = l.grid[1] / l.cluster[1];
    const u32 x0 = u32(number % nx) * l.cluster[0], y0 = u32(number / nx % ny) * l.cluster[1],
              z0 = u32(number / (nx * ny)) * l.cluster[2];
    std::vector<u32> blocks;
    for (u32 z = z0; z < z0 + l.cluster[2]; z++)
        for (u32 y = y0; y < y0 + l.cluster[1]; y++)
            for (u32 x = x0; x < x0 + l.cluster[0]; x++)
                blocks.push_back(x + l.grid[0] * (y + l.grid[1] * z));
    return blocks;
}

void run_clusters(Launch& l, Worker& w) {
    const u64 clusters = l.nblocks() / l.cluster_blocks();
    for (u64 i; (i = l.next.fetch_add(1)) < clusters && !l.failed;)
        run_gang(l, w, blocks_of_cluster(l, i));
}

void run_blocks(Launch& l, Worker& w) {
    const u64 n = l.nblocks(), together = config().resident;
    const BlockOrder order(n);
    for (u64 i; (i = l.next.fetch_add(together)) < n && !l.failed;) {
        std::vector<u32> blocks;
        for (u64 k = i; k < std::min(n, i + together); k++) blocks.push_back(order(k));
        run_gang(l, w, blocks);
    }
}

void work(Launch& l, Worker& w) {
    if (l.stats) w.st.reset(l.image->total_insts);
    try {
        if (l.cooperative)
            run_cooperative(l, w);
        else if (l.cluster_blocks() > 1)
            run_clusters(l, w);
        else
            run_blocks(l, w);
    } catch (const Violation& v) {
        std::lock_guard lock(l.mu);
        if (!l.failed.exchange(true)) {
            l.message = v.what();
            l.error = v.error;
        }
    }
    if (l.stats) l.stats->merge(w.st, *l.image);
}

// Threads of the host, which wait for launches. Worker 0 is the caller's thread.
class Pool {
public:
    static Pool& get() {
        static Pool* p = new Pool(u32(config().threads));
        return *p;
    }

    u32 size() const { return u32(workers_.size()); }

    void run(Launch& l) {
        std::unique_lock one_launch(run_mutex_);
        if (pid_ != getpid()) die("kernel launch in a forked child is not supported");
        if (l.workers > 1) {
            std::unique_lock lock(mutex_);
            launch_ = &l;
            pending_ = l.workers - 1;
            generation_++;
            begin_.notify_all();
        }
        work(l, *workers_[0]);
        std::unique_lock lock(mutex_);
        end_.wait(lock, [&] { return pending_ == 0; });
    }

private:
    explicit Pool(u32 threads) : pid_(getpid()) {
        for (u32 i = 0; i < threads; i++) {
            workers_.push_back(std::make_unique<Worker>());
            workers_.back()->id = i;
            workers_.back()->rng = Rng(config().seed * 1000 + i + 1);
        }
        for (u32 i = 1; i < threads; i++) std::thread([this, i] { serve(i); }).detach();
    }

    void serve(u32 i) {
        for (u64 seen = 0;;) {
            Launch* l;
            {
                std::unique_lock lock(mutex_);
                begin_.wait(lock, [&] { return generation_ != seen; });
                seen = generation_;
                l = launch_;
                if (!pending_ || i >= l->workers) continue;
            }
            work(*l, *workers_[i]);
            std::unique_lock lock(mutex_);
            if (--pending_ == 0) end_.notify_all();
        }
    }

    const pid_t pid_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::mutex run_mutex_, mutex_;
    std::condition_variable begin_, end_;
    Launch* launch_ = nullptr;
    u32 pending_ = 0;  // other threads that still work on the launch
    u64 generation_ = 0;
};

double seconds() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

}  // namespace

void run_launch(Launch& l) {
    static std::atomic<u64> ids{1};
    l.grid_id = ids++;
    if (l.cooperative) l.extra.assign(4096, 0);
    if (stats_enabled()) l.stats = stats_for(l.image->demangled);
    const double begin = seconds();
    l.workers = u32(std::min<u64>(Pool::get().size(), l.nblocks()));
    Pool::get().run(l);
    if (l.stats) l.stats->count_launch(l, seconds() - begin);
}

}  // namespace fovea::cudaemu
