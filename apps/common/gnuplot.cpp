#include "apps/common/gnuplot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include "apps/common/html.h"
#include "core/error.h"
#include "core/serialize/atomic_file.h"

namespace fovea::apps {
namespace {

namespace fs = std::filesystem;

// Names may hold _ and ^, hence noenhanced. Fonts by generic name: what is missing is substituted.
constexpr const char* kStyle =
    "set encoding utf8\n"
    "set datafile separator ','\n"
    "set datafile missing ''\n"
    "set border 3 lc rgb '#606060'\n"
    "set tics nomirror out scale 0.6 textcolor rgb '#303030'\n"
    "set grid lc rgb '#e0e0e0' lt 1 lw 0.7\n"
    "set key opaque samplen 2 spacing 1.1 noenhanced\n";

std::string script(const std::string& name, int width, int height, const std::string& body) {
    std::ostringstream out;
    out << "# Draw again after changes: gnuplot " << name << ".gp\n"
        << kStyle << "set terminal svg size " << width << ',' << height
        << " font 'sans-serif,13' background '#ffffff' noenhanced\n"
        << "set output '" << name << ".svg'\n"
        << body << "\n"
        << "set output\n"
        << "if (strstrt(GPVAL_TERMINALS, ' pngcairo ') > 0) {\n"
        << "    set terminal pngcairo size " << 2 * width << ',' << 2 * height
        << " fontscale 2 linewidth 2 pointscale 2 font 'Sans,10' background '#ffffff' noenhanced\n"
        << "} else {\n"
        << "    set terminal png size " << width << ',' << height << " noenhanced\n"
        << "}\n"
        << "set output '" << name << ".png'\n"
        << "replot\n"
        << "set output\n";
    return out.str();
}

std::string first_line(const fs::path& file) {
    std::ifstream in(file);
    std::string line;
    while (std::getline(in, line))
        if (line.find_first_not_of(" \t^") != std::string::npos) return line;
    return "no message";
}

/// Starts `gnuplot FILE` in `folder` without a shell and waits. 0, or what went wrong as text.
std::string spawn_gnuplot(const fs::path& folder, const std::string& file) {
    const std::string messages = (folder / "gnuplot.err").string(), where = folder.string();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0644);
    posix_spawn_file_actions_addchdir_np(&actions, where.c_str());
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);  // ignored while we train
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);

    // --default-settings: nobody's ~/.gnuplot changes the pictures.
    std::string program = "gnuplot", option = "--default-settings", argument = file;
    char* arguments[] = {program.data(), option.data(), argument.data(), nullptr};
    pid_t child = 0;
    const int failed = posix_spawnp(&child, "gnuplot", &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);

    std::string problem;
    if (failed == ENOENT) {
        problem = "gnuplot is not installed (apt-get install gnuplot-nox)";
    } else if (failed != 0) {
        problem = std::strerror(failed);
    } else {
        int status = 0;
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) problem = first_line(messages);
    }
    std::error_code ignored;
    fs::remove(messages, ignored);
    return problem;
}

/// The SVG terminal puts a heat map in as a small bitmap; without this viewers blur its cells.
void sharpen(const fs::path& svg) {
    std::ifstream in(svg, std::ios::binary);
    std::ostringstream content;
    content << in.rdbuf();
    std::string text = content.str();
    const std::string mark = "preserveAspectRatio='none'";
    const std::size_t at =
        text.find("<image ") == std::string::npos ? std::string::npos : text.find(mark);
    if (at == std::string::npos) return;
    text.insert(at + mark.size(), " style='image-rendering:pixelated'");
    write_text_atomically(svg.string(), text);
}

}  // namespace

std::string gnuplot_text(const std::string& text, std::size_t longest) {
    std::string out = "'";
    for (const char c : shortened(clean_utf8(text), longest)) {
        if (c == '\'') out += '\'';
        out += c == '\n' || c == '\t' ? ' ' : c;
    }
    return out + "'";
}

bool run_gnuplot(const fs::path& folder, const std::string& name, int width, int height,
                 const std::string& body, const Warn& warn) {
    std::string problem;
    try {
        write_text_atomically((folder / (name + ".gp")).string(),
                              script(name, width, height, body));
        problem = spawn_gnuplot(folder, name + ".gp");
        if (problem.empty()) sharpen(folder / (name + ".svg"));
    } catch (const Error& error) {
        problem = error.message();
    }
    if (!problem.empty()) warn("no plot " + name + ": " + problem);
    return problem.empty();
}

}  // namespace fovea::apps
