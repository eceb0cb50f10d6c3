#include "apps/common/run_folder.h"

#include <ctime>

#include "core/error.h"
#include "core/serialize/atomic_file.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

/// "1122-1423"
std::string time_stamp() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    localtime_r(&now, &parts);
    char text[16];
    std::strftime(text, sizeof text, "%m%d-%H%M", &parts);
    return text;
}

/// A model's name as part of a folder's name.
std::string plain_name(const std::string& name) {
    std::string plain;
    for (const char c : name.substr(0, 60)) {
        const bool kept =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        plain += kept ? c : '_';
    }
    return plain;
}

void make_folders(const fs::path& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) throw file_error(error.value(), "create", folder.string());
}

/// An empty or new folder, or a run of ours that never saved anything.
void claim(const fs::path& folder) {
    std::error_code error;
    if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
        throw Error("C12", "there is a file where the run folder should be", folder.string(),
                    "another --out");
    }
    make_folders(folder);
    if (fs::is_empty(folder, error)) return;
    if (!fs::is_regular_file(folder / "config.toml", error)) {
        throw Error("C12", "the folder is not empty and not a run of ours", folder.string(),
                    "another --out");
    }
    const fs::path checkpoints = folder / "checkpoints";
    if (fs::is_directory(checkpoints, error) && !fs::is_empty(checkpoints, error)) {
        throw Error("C12", "there is a run in this folder already", folder.string(),
                    "--resume " + folder.string() + " to go on with it, or another --out");
    }
    for (const char* log : {"log.csv", "steps.csv", "train.log"}) fs::remove(folder / log, error);
}

}  // namespace

RunFolder RunFolder::create(const std::string& model, std::int64_t seed, const std::string& out,
                            const fs::path& root) {
    if (!out.empty()) {
        claim(out);
        RunFolder run{fs::path(out)};
        run.make_sub_folders();
        return run;
    }
    make_folders(root);
    const std::string name = time_stamp() + "_" + plain_name(model) + "_s" + std::to_string(seed);
    for (int number = 1;; ++number) {
        const fs::path folder = root / (number == 1 ? name : name + "-" + std::to_string(number));
        std::error_code error;
        if (fs::create_directory(folder, error)) {  // false if another run took the name
            RunFolder run(folder);
            run.make_sub_folders();
            return run;
        }
        if (error) throw file_error(error.value(), "create", folder.string());
    }
}

RunFolder RunFolder::open(const fs::path& folder) {
    std::error_code error;
    if (!fs::is_directory(folder, error))
        throw Error("C13", "no such run folder", folder.string(), "ls runs");
    if (!fs::is_regular_file(folder / "config.toml", error)) {
        throw Error("C13", "this is no run folder: it has no config.toml", folder.string(),
                    "a folder that a train program made, such as one below runs/");
    }
    RunFolder run(folder);
    run.make_sub_folders();
    return run;
}

fs::path RunFolder::newest(const fs::path& root) {
    fs::path newest;
    fs::file_time_type latest{};
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root, error)) {
        const fs::path last = RunFolder(entry.path()).last_checkpoint();
        std::error_code missing;
        const auto time = fs::last_write_time(last, missing);
        if (!missing && (newest.empty() || time > latest)) newest = entry.path(), latest = time;
    }
    if (newest.empty())
        throw Error("C13", "no run with a checkpoint", root.string(), "--resume DIR");
    return newest;
}

void RunFolder::make_sub_folders() const {
    for (const fs::path& folder : {checkpoints(), plots(), eval()}) make_folders(folder);
}

void RunFolder::write_config(const std::string& toml) const {
    write_text_atomically(config_file().string(), toml);
}

void RunFolder::write_env(const std::string& json) const {
    write_text_atomically(env_file().string(), json);
}

}  // namespace fovea::apps
