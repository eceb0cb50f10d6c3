#include "tests/cudaemu/decode/sreg.h"

#include <unordered_map>

namespace emu {
SR parse_sreg(const std::string& n) {
    static const std::unordered_map<std::string, SR> m = {
        {"%tid.x", SR::tid_x},
        {"%tid.y", SR::tid_y},
        {"%tid.z", SR::tid_z},
        {"%ntid.x", SR::ntid_x},
        {"%ntid.y", SR::ntid_y},
        {"%ntid.z", SR::ntid_z},
        {"%ctaid.x", SR::ctaid_x},
        {"%ctaid.y", SR::ctaid_y},
        {"%ctaid.z", SR::ctaid_z},
        {"%nctaid.x", SR::nctaid_x},
        {"%nctaid.y", SR::nctaid_y},
        {"%nctaid.z", SR::nctaid_z},
        {"%laneid", SR::laneid},
        {"%warpid", SR::warpid},
        {"%nwarpid", SR::nwarpid},
        {"%smid", SR::smid},
        {"%nsmid", SR::nsmid},
        {"%gridid", SR::gridid},
        {"%lanemask_eq", SR::lanemask_eq},
        {"%lanemask_le", SR::lanemask_le},
        {"%lanemask_lt", SR::lanemask_lt},
        {"%lanemask_ge", SR::lanemask_ge},
        {"%lanemask_gt", SR::lanemask_gt},
        {"%dynamic_smem_size", SR::dynamic_smem_size},
        {"%total_smem_size", SR::total_smem_size},
        {"%aggr_smem_size", SR::aggr_smem_size},
        {"%reserved_smem_offset_begin", SR::reserved_smem_offset_begin},
        {"%reserved_smem_offset_end", SR::reserved_smem_offset_end},
        {"%reserved_smem_offset_cap", SR::reserved_smem_offset_cap},
        {"%cluster_ctaid.x", SR::cluster_ctaid_x},
        {"%cluster_ctaid.y", SR::cluster_ctaid_y},
        {"%cluster_ctaid.z", SR::cluster_ctaid_z},
        {"%cluster_nctaid.x", SR::cluster_nctaid_x},
        {"%cluster_nctaid.y", SR::cluster_nctaid_y},
        {"%cluster_nctaid.z", SR::cluster_nctaid_z},
        {"%clusterid.x", SR::clusterid_x},
        {"%clusterid.y", SR::clusterid_y},
        {"%clusterid.z", SR::clusterid_z},
        {"%nclusterid.x", SR::nclusterid_x},
        {"%nclusterid.y", SR::nclusterid_y},
        {"%nclusterid.z", SR::nclusterid_z},
        {"%cluster_ctarank", SR::cluster_ctarank},
        {"%cluster_nctarank", SR::cluster_nctarank},
        {"%is_explicit_cluster", SR::is_explicit_cluster},
        {"%envreg1", SR::envreg1},
        {"%envreg2", SR::envreg2},
        {"%clock", SR::clock},
        {"%clock_hi", SR::clock_hi},
        {"%clock64", SR::clock64},
        {"%globaltimer", SR::globaltimer},
        {"%globaltimer_lo", SR::globaltimer_lo},
        {"%globaltimer_hi", SR::globaltimer_hi},
        {"%local_base", SR::local_base}};
    auto it = m.find(n);
    return it == m.end() ? SR::bad : it->second;
}
}  // namespace emu
