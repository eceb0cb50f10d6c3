// Where it happened: kernel, block, thread, PTX and CUDA source line.
#include "tests/cudaemu/machine/state.h"

namespace fovea::cudaemu {

static std::string ptx_line(const Program& prog, const ptx::Instr& in) {
    const std::vector<std::string>& lines = prog.mod->lines;
    if (in.line < 1 || in.line > int(lines.size())) return in.op;
    const std::string& text = lines[size_t(in.line - 1)];
    const size_t begin = text.find_first_not_of(" \t");
    return begin == std::string::npos ? text : text.substr(begin);
}

static std::string source_line(const ptx::Module& mod, const ptx::Loc& loc) {
    const auto file = mod.files.find(loc.file);
    return format("%s:%d", file == mod.files.end() ? "?" : file->second.c_str(), loc.line);
}

std::string where(const Context& c, const Instruction* I, int lane) {
    const u32* shape = c.launch->block;
    std::string s = "  kernel " + c.launch->image->demangled;
    if (c.block)
        s += format(", block (%u,%u,%u)", c.block->ctaid[0], c.block->ctaid[1], c.block->ctaid[2]);
    if (c.warp && lane >= 0) {
        const u32 t = c.warp->id * kWarp + u32(lane);
        s += format(", thread (%u,%u,%u) [warp %u lane %d]", t % shape[0], t / shape[0] % shape[1],
                    t / shape[0] / shape[1], c.warp->id, lane);
    }
    if (!I || !c.prog || I->src >= c.prog->fn->code.size()) return s;
    const ptx::Instr& in = c.prog->fn->code[I->src];
    s += format("\n  PTX line %d in %s: %s", in.line, c.prog->fn->name.c_str(),
                ptx_line(*c.prog, in).c_str());
    if (in.loc >= 0)
        s += "\n  source " + source_line(*c.prog->mod, c.prog->mod->locs[size_t(in.loc)]);
    return s;
}

void violation(Context& c, int lane, int error, const std::string& what) {
    throw Violation(error, what + "\n" + where(c, c.inst, lane));
}

}  // namespace fovea::cudaemu
