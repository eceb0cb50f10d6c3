// What cp.async and mbarrier need from each other.
#pragma once

#include "tests/cudaemu/decode/decoder.h"

namespace fovea::cudaemu {

/// Lets the cp.async of the active lanes land, but for the `keep` newest groups; -1: all.
void land_async_copies(Context& c, i64 keep);

/// cp.async.bulk
bool decode_bulk(Decoder& d, const ptx::Instr& in, Instruction& I);
/// cp.async.mbarrier.arrive
bool decode_cp_async_arrive(Decoder& d, const ptx::Instr& in, Instruction& I);

/// The block that owns a shared::cluster offset, which becomes one of its own.
Block* owner_of(Context& c, u32& offset);

}  // namespace fovea::cudaemu
