// 8 x 8 matrices of 16-bit numbers between shared memory and registers: ldmatrix, stmatrix,
// movmatrix. In registers, lane 4 r + k holds elements 2 k and 2 k + 1 of row r.
#include "tests/cudaemu/decode/decoder.h"
#include "tests/cudaemu/machine/access.h"

namespace fovea::cudaemu {

using ptx::Operand;

namespace {

using Matrix = u16[8][8];

// The register of lane i, from a matrix or its transpose; and back.
u32 pick(const Matrix& m, int i, bool transposed) {
    const int r = i / 4, k = i % 4 * 2;
    return transposed ? m[k][r] | u32(m[k + 1][r]) << 16 : m[r][k] | u32(m[r][k + 1]) << 16;
}
void put_back(Matrix& m, int i, bool transposed, u32 v) {
    const int r = i / 4, k = i % 4 * 2;
    (transposed ? m[k][r] : m[r][k]) = u16(v);
    (transposed ? m[k + 1][r] : m[r][k + 1]) = u16(v >> 16);
}

// Row r of matrix j is at the address of lane 8 j + r.
u8* row_of(Context& c, const u64* addresses, u32 lane, u32& offset, const char* what) {
    offset = shared_offset(addresses[lane]);
    if (offset & 15) misaligned(c, int(lane), offset, 16, what);
    return shared_ptr(c, int(lane), offset, 16);
}

// nv: matrices; sub: transposed.
void exec_ldmatrix(Context& c, const Instruction& I) {
    u64 addresses[kWarp];
    lane_addresses(c, I, 5, addresses);
    Matrix m[4];
    for (u32 j = 0; j < I.nv; j++) {
        u32 offsets[kWarp];
        for (u32 r = 0; r < 8; r++) {
            const u32 lane = 8 * j + r;
            memcpy(m[j][r], row_of(c, addresses, lane, offsets[r], "ldmatrix shared"), 16);
            if (c.check) race_access(c, int(lane), offsets[r], 16, false, false, false);
        }
        if (c.stats) stats_shared_access(c.worker->st, offsets, 0xff, 16);
    }
    for (u32 j = 0; j < I.nv; j++) {  // after all loads: a destination may hold the addresses
        u32* d = slot<u32>(c, I.o[j]);
        if (!I.sub && c.mask == kFull)
            memcpy(d, m[j], sizeof(Matrix));
        else
            for_lanes(c.mask, [&](int i) { d[i] = pick(m[j], i, I.sub); });
    }
}

void exec_stmatrix(Context& c, const Instruction& I) {
    u64 addresses[kWarp];
    lane_addresses(c, I, 5, addresses);
    for (u32 j = 0; j < I.nv; j++) {
        const u32* s = slot<u32>(c, I.o[j]);
        Matrix m;
        for (int i = 0; i < kWarp; i++) put_back(m, i, I.sub, s[i]);
        u32 offsets[kWarp];
        for (u32 r = 0; r < 8; r++) {
            const u32 lane = 8 * j + r;
            u8* p = row_of(c, addresses, lane, offsets[r], "stmatrix shared");
            if (c.check)
                race_access(c, int(lane), offsets[r], 16, true, false, memcmp(p, m[r], 16) == 0);
            memcpy(p, m[r], 16);
        }
        if (c.stats) stats_shared_access(c.worker->st, offsets, 0xff, 16);
    }
}

void exec_movmatrix(Context& c, const Instruction& I) {
    const u32* s = slot<u32>(c, I.o[1]);
    Matrix m;
    for (int i = 0; i < kWarp; i++) put_back(m, i, false, s[i]);
    u32* d = slot<u32>(c, I.o[0]);
    for (int i = 0; i < kWarp; i++) d[i] = pick(m, i, true);
}

}  // namespace

bool decode_matrix(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const std::string& op = in.parts[0];
    if (op == "movmatrix") {
        I.kind = Kind::Sync;
        I.fn = exec_movmatrix;
        I.o[0] = d.dst(in.ops[0]);
        I.o[1] = d.src_w(in.ops[1], 4);
        return true;
    }
    const bool load = op == "ldmatrix";
    if (!load && op != "stmatrix") return false;
    if (!in.has("m8n8") || !in.has("b16")) return false;
    I.kind = Kind::Sync;
    I.cls = load ? Class::LdShared : Class::StShared;
    I.fn = load ? exec_ldmatrix : exec_stmatrix;
    I.nv = in.has("x4") ? 4 : in.has("x2") ? 2 : 1;
    I.sub = in.has("trans");
    const Operand& registers = in.ops[load ? 0 : 1];
    for (size_t k = 0; k < I.nv; k++) {
        const Operand& o = registers.kind == Operand::Vec ? registers.elems[k] : registers;
        I.o[k] = load ? d.dst(o) : d.src_w(o, 4);
    }
    d.address(in.ops[load ? 1 : 0], I, 5);
    return true;
}

}  // namespace fovea::cudaemu
