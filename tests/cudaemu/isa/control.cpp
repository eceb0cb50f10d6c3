// Branches, calls, fences; and what the device's runtime library offers: printf, assert, malloc,
// free.
#include <chrono>
#include <mutex>
#include <thread>

#include "tests/cudaemu/decode/decoder.h"
#include "tests/cudaemu/machine/access.h"
#include "tests/cudaemu/machine/config.h"

namespace fovea::cudaemu {

using ptx::Operand;

namespace {

void exec_nothing(Context&, const Instruction&) {}
// Whoever sleeps waits for another block. Where that runs on another thread of the host, it gets the
// processor, and few polls are counted.
void exec_nanosleep(Context& c, const Instruction&) {
    if (config().resident == 1 && !c.launch->cooperative && c.launch->cluster_blocks() == 1)
        std::this_thread::sleep_for(std::chrono::microseconds(20));
}
void exec_fence(Context&, const Instruction&) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
}
void exec_trap(Context& c, const Instruction&) {
    violation(c, std::countr_zero(c.mask), kErrLaunchFailure, "trap instruction executed");
}

// ---- the runtime library ------------------------------------------------------------------------

// Argument k of the call, for one lane.
u64 argument(Context& c, const Instruction& I, int lane, size_t k) {
    const ParamPlace place = c.prog->calls[I.ext].args[k];
    u64 v = 0;
    memcpy(&v, c.frame->params.data() + size_t(lane) * c.prog->param_bytes + place.first,
           std::min(8u, place.second));
    return v;
}

void give_back(Context& c, const Instruction& I, int lane, u64 v) {
    const CallSite& site = c.prog->calls[I.ext];
    if (site.rets.empty()) return;
    const ParamPlace place = site.rets[0];
    memcpy(c.frame->params.data() + size_t(lane) * c.prog->param_bytes + place.first, &v,
           std::min(8u, place.second));
}

std::string device_string(Context& c, int lane, u64 addr) {
    constexpr size_t kLongest = 65536;
    std::string s;
    while (s.size() < kLongest) {
        const char ch = char(*generic_ptr(c, lane, addr++, 1, false));
        if (!ch) break;
        s += ch;
    }
    return s;
}

// printf with a format that comes from the program.
template <class T>
std::string printed(const std::string& specification, T value) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    return format(specification.c_str(), value);
#pragma GCC diagnostic pop
}

// One conversion after the other; the arguments lie in memory, each aligned to its size.
class DevicePrintf {
public:
    DevicePrintf(Context& c, int lane, std::string format, u64 arguments)
        : c_(c), lane_(lane), format_(std::move(format)), arguments_(arguments) {}

    std::string run() {
        std::string out;
        while (at_ < format_.size()) {
            if (format_[at_] != '%') {
                out += format_[at_++];
            } else if (at_ + 1 < format_.size() && format_[at_ + 1] == '%') {
                out += '%';
                at_ += 2;
            } else {
                out += conversion();
                count_++;
            }
        }
        return out;
    }
    u64 conversions() const { return count_; }

private:
    template <class T>
    T fetch() {
        offset_ = align_up(offset_, sizeof(T));
        T v;
        memcpy(&v, generic_ptr(c_, lane_, arguments_ + offset_, sizeof(T), false), sizeof(T));
        offset_ += sizeof(T);
        return v;
    }
    bool next_is_one_of(const char* set) const {
        return at_ < format_.size() && strchr(set, format_[at_]);
    }

    std::string conversion() {
        std::string s(1, format_[at_++]);
        for (; next_is_one_of("-+ #0123456789.*"); at_++)
            s += format_[at_] == '*' ? std::to_string(fetch<i32>()) : std::string(1, format_[at_]);
        bool wide = false;
        for (; next_is_one_of("hlLzjt"); at_++) wide |= !strchr("hL", format_[at_]);
        const char type = at_ < format_.size() ? format_[at_++] : 'd';
        if (strchr("diuxXoc", type))
            return wide ? printed(s + "ll" + type, ull(fetch<u64>()))
                        : printed(s + type, fetch<u32>());
        if (strchr("fFeEgGaA", type)) return printed(s + type, fetch<double>());
        if (type == 'p') return format("0x%llx", ull(fetch<u64>()));
        if (type == 's') {
            const u64 p = fetch<u64>();
            return printed(s + type, (p ? device_string(c_, lane_, p) : "(null)").c_str());
        }
        return s + type;
    }

    Context& c_;
    const int lane_;
    const std::string format_;
    const u64 arguments_;
    u64 offset_ = 0, count_ = 0;
    size_t at_ = 0;
};

void exec_printf(Context& c, const Instruction& I) {
    static std::mutex mutex;
    std::lock_guard lock(mutex);
    for_lanes(c.mask, [&](int lane) {
        DevicePrintf p(c, lane, device_string(c, lane, argument(c, I, lane, 0)),
                       argument(c, I, lane, 1));
        const std::string out = p.run();
        fwrite(out.data(), 1, out.size(), stdout);
        give_back(c, I, lane, p.conversions());
    });
}

// (message, file, line, function, size of a character)
void exec_assertion(Context& c, const Instruction& I) {
    const int lane = std::countr_zero(c.mask);
    auto text = [&](size_t k) { return device_string(c, lane, argument(c, I, lane, k)); };
    violation(c, lane, kErrAssert,
              format("device assertion failed: %s:%u: %s: %s", text(1).c_str(),
                     u32(argument(c, I, lane, 2)), text(3).c_str(), text(0).c_str()));
}

void exec_malloc(Context& c, const Instruction& I) {
    for_lanes(c.mask, [&](int lane) {
        void* p =
            DeviceMemory::get().alloc(argument(c, I, lane, 0), MemKind::Device, c.launch->device);
        give_back(c, I, lane, u64(p));
    });
}
void exec_free(Context& c, const Instruction& I) {
    for_lanes(c.mask, [&](int lane) {
        void* p = reinterpret_cast<void*>(argument(c, I, lane, 0));
        if (p && !DeviceMemory::get().release(p))
            violation(c, lane, kErrLaunchFailure, "free() of an invalid pointer");
    });
}

ExecFn library_function(const std::string& name) {
    if (name == "vprintf") return exec_printf;
    if (name == "__assertfail") return exec_assertion;
    if (name == "malloc") return exec_malloc;
    if (name == "free") return exec_free;
    return nullptr;
}

// ---- decoding -----------------------------------------------------------------------------------

// call (results), function, (arguments)
bool decode_call(Decoder& d, const ptx::Instr& in, Instruction& I) {
    auto places = [&](const Operand& list) {
        std::vector<ParamPlace> out;
        for (const Operand& e : list.elems) {
            if (e.kind != Operand::Sym || e.var->space != ptx::Space::Param)
                d.unsupported(in, "call argument that is not a .param variable");
            out.push_back({d.param_offset(e.var), u32(e.var->bytes)});
        }
        return out;
    };
    CallSite site;
    size_t k = 0;
    if (in.ops[k].kind == Operand::List) site.rets = places(in.ops[k++]);
    const Operand& target = in.ops[k++];
    if (k < in.ops.size() && in.ops[k].kind == Operand::List) site.args = places(in.ops[k]);

    I.cls = Class::Branch;
    I.ext = u32(d.program().calls.size());
    if (target.kind == Operand::Reg) {
        site.fptr = d.reg_slot(target.reg);
        I.kind = Kind::CallInd;
    } else {
        const auto& by_name = d.module().mod->by_name;
        const auto it = by_name.find(target.name);
        if (it == by_name.end()) d.unsupported(in, "call of an unknown function");
        site.callee = it->second;
        if (site.callee->has_body) {
            I.kind = Kind::Call;
            I.target = d.image().index.at(site.callee);
        } else {
            I.fn = library_function(site.callee->name);
            if (!I.fn) d.unsupported(in, "call of an external device function");
        }
    }
    d.program().calls.push_back(std::move(site));
    return true;
}

void decode_branch_table(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const auto& tables = d.function().branch_tables;
    const auto it = tables.find(in.ops[1].name);
    if (it == tables.end()) d.unsupported(in, "unknown branch table");
    std::vector<u32> targets;
    for (const std::string& name : it->second) {
        Operand label = in.ops[1];
        label.name = name;
        targets.push_back(d.label(label));
    }
    I.o[0] = d.reg_slot(in.ops[0].reg);
    I.target = u32(d.program().tables.size());
    d.program().tables.push_back(std::move(targets));
}

}  // namespace

bool decode_control(Decoder& d, const ptx::Instr& in, Instruction& I) {
    const std::string& op = in.parts[0];
    auto set = [&](Kind kind, Class cls, ExecFn fn = nullptr) {
        I.kind = kind;
        I.cls = cls;
        I.fn = fn;
        return true;
    };
    if (op == "bra") {
        I.target = d.label(in.ops[0]);
        return set(Kind::Bra, Class::Branch);
    }
    if (op == "brx") {
        decode_branch_table(d, in, I);
        return set(Kind::Brx, Class::Branch);
    }
    if (op == "call") return decode_call(d, in, I);
    if (op == "ret") return set(Kind::Ret, Class::Branch);
    if (op == "exit") return set(Kind::Exit, Class::Branch);
    if (op == "trap" || op == "brkpt") return set(Kind::Normal, Class::Other, exec_trap);
    if (op == "nanosleep") return set(Kind::Yield, Class::Other, exec_nanosleep);
    if (op == "membar" || op == "fence") return set(Kind::Normal, Class::Barrier, exec_fence);
    if (op == "griddepcontrol" || op == "setmaxnreg" || op == "pmevent")
        return set(Kind::Normal, Class::Other, exec_nothing);
    return false;
}

}  // namespace fovea::cudaemu
