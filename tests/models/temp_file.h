// A weights file that lives as long as a test case, and the bytes of a file.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace test {

struct TempFile {
    std::string path = (std::filesystem::temp_directory_path() /
                        ("fovea_models_" + std::to_string(getpid()) + ".safetensors"))
                           .string();
    TempFile() = default;
    ~TempFile() { std::filesystem::remove(path); }
    TempFile(const TempFile&) = delete;
    TempFile& operator=(const TempFile&) = delete;
};

inline std::string read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream bytes;
    bytes << in.rdbuf();
    return bytes.str();
}

}  // namespace test
