#include "tests/cudaemu/decode/special_registers.h"

#include <algorithm>
#include <unordered_map>

namespace fovea::cudaemu {

SR parse_sreg(const std::string& name) {
    static const std::unordered_map<std::string, SR> registers = {
#define CUDAEMU_NAME(register_name) {"%" #register_name, SR::register_name},
        CUDAEMU_SPECIAL_REGISTERS(CUDAEMU_NAME)
#undef CUDAEMU_NAME
    };
    std::string key = name;
    std::replace(key.begin(), key.end(), '.', '_');
    const auto it = registers.find(key);
    return it == registers.end() ? SR::bad : it->second;
}

}  // namespace fovea::cudaemu
