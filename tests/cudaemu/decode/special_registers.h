// The special registers of PTX: %tid.x is SR::tid_x.
#pragma once

#include <string>

namespace fovea::cudaemu {

// clang-format off
#define CUDAEMU_SPECIAL_REGISTERS(X)                                                            \
    X(tid_x) X(tid_y) X(tid_z) X(ntid_x) X(ntid_y) X(ntid_z)                                    \
    X(ctaid_x) X(ctaid_y) X(ctaid_z) X(nctaid_x) X(nctaid_y) X(nctaid_z)                        \
    X(laneid) X(warpid) X(nwarpid) X(smid) X(nsmid) X(gridid)                                   \
    X(lanemask_eq) X(lanemask_le) X(lanemask_lt) X(lanemask_ge) X(lanemask_gt)                  \
    X(dynamic_smem_size) X(total_smem_size) X(aggr_smem_size)                                   \
    X(reserved_smem_offset_begin) X(reserved_smem_offset_end) X(reserved_smem_offset_cap)       \
    X(cluster_ctaid_x) X(cluster_ctaid_y) X(cluster_ctaid_z)                                    \
    X(cluster_nctaid_x) X(cluster_nctaid_y) X(cluster_nctaid_z)                                 \
    X(clusterid_x) X(clusterid_y) X(clusterid_z)                                                \
    X(nclusterid_x) X(nclusterid_y) X(nclusterid_z)                                             \
    X(cluster_ctarank) X(cluster_nctarank) X(is_explicit_cluster) X(envreg1) X(envreg2)         \
    /* these change while a kernel runs */                                                      \
    X(clock) X(clock_hi) X(clock64) X(globaltimer) X(globaltimer_lo) X(globaltimer_hi)          \
    /* ours: where the locals of a device function begin */                                     \
    X(local_base)
// clang-format on

enum class SR : unsigned char {
#define CUDAEMU_NAME(name) name,
    CUDAEMU_SPECIAL_REGISTERS(CUDAEMU_NAME)
#undef CUDAEMU_NAME
        bad
};

/// SR::bad if there is none of this name.
SR parse_sreg(const std::string& name);

inline bool sreg_dynamic(SR s) { return s >= SR::clock && s <= SR::globaltimer_hi; }

/// Bytes.
inline int sreg_width(SR s) {
    return s == SR::gridid || s == SR::clock64 || s == SR::globaltimer || s == SR::local_base ? 8
                                                                                              : 4;
}

}  // namespace fovea::cudaemu
