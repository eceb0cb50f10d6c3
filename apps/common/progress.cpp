#include "apps/common/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "apps/common/env_info.h"
#include "core/serialize/atomic_file.h"

namespace fovea::apps {
namespace {

constexpr double kDrawSeconds = 0.1;    // between two redraws of the bar
constexpr double kPlainSeconds = 30.0;  // between two plain lines

double steady_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

bool is_terminal(std::FILE* out) {
    const char* term = std::getenv("TERM");
    return isatty(fileno(out)) != 0 && term != nullptr && std::string_view(term) != "dumb";
}

bool colour_allowed() {
    const char* no_color = std::getenv("NO_COLOR");  // https://no-color.org: any non-empty value
    return no_color == nullptr || no_color[0] == '\0';
}

int terminal_width(std::FILE* out) {
    winsize size{};
    const bool known = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : 100;
}

/// File names and labels may hold escape sequences; a terminal must not obey them.
std::string harmless(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
    return out;
}

std::string percent(double value) { return fmt::format("{:.1f}%", value); }

std::string duration(double seconds) {
    const auto s = static_cast<long long>(std::max(0.0, seconds) + 0.5);
    if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
    return fmt::format("{}:{:02}", s / 60, s % 60);
}

/// "4.82e-4": a short mantissa, no zero before the exponent's digit.
std::string short_rate(double lr) {
    std::string text = fmt::format("{:.2e}", lr);
    const std::size_t e = text.find('e');
    if (e != std::string::npos && e + 3 < text.size() && text[e + 2] == '0') text.erase(e + 2, 1);
    if (e != std::string::npos && text[e + 1] == '+') text.erase(e + 1, 1);
    return text;
}

std::string memory() {
    const auto mib = static_cast<double>(resident_mib());
    return mib >= 1024 ? fmt::format("mem {:.1f}G", mib / 1024) : fmt::format("mem {:.0f}M", mib);
}

std::string bar(double share, int cells) {
    const int done = std::clamp(static_cast<int>(share * cells), 0, cells);
    std::string text(static_cast<std::size_t>(cells), '.');
    std::fill(text.begin(), text.begin() + done, '#');
    if (done < cells) text[static_cast<std::size_t>(done)] = '>';
    return "|" + text + "|";
}

}  // namespace

Progress::Progress(ProgressOptions options) : options_(std::move(options)) {
    if (!options_.clock) options_.clock = steady_seconds;
    terminal_ = options_.terminal < 0 ? is_terminal(options_.out) : options_.terminal == 1;
    colour_ = options_.colour < 0 ? terminal_ && colour_allowed() : options_.colour == 1;
    if (!options_.log_file.empty()) log_ = std::make_unique<AppendFile>(options_.log_file.string());
}

Progress::~Progress() { clear(); }

void Progress::begin_epoch(std::int64_t epoch, std::int64_t epochs, std::int64_t steps,
                           std::int64_t first_step) {
    epoch_ = epoch;
    epochs_ = epochs;
    steps_ = steps;
    first_step_ = first_step;
    epoch_start_ = last_plain_ = options_.clock();
}

std::string Progress::timing(const StepStatus& status) const {
    const double seconds = options_.clock() - epoch_start_;
    const std::int64_t done = status.step - first_step_;
    if (done <= 0 || seconds <= 0) return {};
    const std::int64_t left = (steps_ - status.step) + (epochs_ - epoch_) * steps_;
    const double eta = seconds / static_cast<double>(done) * static_cast<double>(left);
    const double speed = static_cast<double>(status.images) / seconds;
    return fmt::format("{:.0f} img/s  ETA {}", speed, duration(eta));
}

std::string Progress::bar_line(const StepStatus& status) const {
    const double share =
        static_cast<double>(status.step) / static_cast<double>(std::max<std::int64_t>(1, steps_));
    const std::string epochs = std::to_string(epochs_), steps = std::to_string(steps_);
    const std::string head =
        fmt::format("epoch {:>{}}/{} {:3.0f}%", epoch_, epochs.size() + 1, epochs, 100 * share);
    // Least important last: a narrow terminal loses from the end, except the time left.
    std::vector<std::string> parts;
    parts.push_back(fmt::format("{:>{}}/{}", status.step, steps.size(), steps));
    parts.push_back(fmt::format("loss {:.3f} ({:.3f})", status.loss, status.mean_loss));
    if (!std::isnan(status.top1)) parts.push_back("acc1 " + percent(status.top1));
    if (const std::string time = timing(status); !time.empty()) parts.push_back(time);
    if (!std::isnan(status.lr)) parts.push_back("lr " + short_rate(status.lr));
    if (!std::isnan(status.data_share))
        parts.push_back(fmt::format("data {:.0f}%", 100 * status.data_share));
    parts.push_back(memory());

    const int width = (options_.width > 0 ? options_.width : terminal_width(options_.out)) - 1;
    int cells = 20;
    const auto length = [&] {
        std::size_t n = head.size() + 3 + static_cast<std::size_t>(cells);
        for (const std::string& part : parts) n += 2 + part.size();
        return static_cast<int>(n);
    };
    while (length() > width && cells > 8) --cells;
    while (length() > width && !parts.empty()) parts.pop_back();
    std::string line = head + " " + bar(share, cells);
    for (const std::string& part : parts) line += "  " + part;
    return line.substr(0, static_cast<std::size_t>(std::max(0, width)));
}

std::string Progress::plain_line(const StepStatus& status) const {
    std::string line = fmt::format("epoch {}/{}  step {}/{}  loss {:.3f}", epoch_, epochs_,
                                   status.step, steps_, status.mean_loss);
    if (!std::isnan(status.top1)) line += "  acc1 " + percent(status.top1);
    if (!std::isnan(status.lr)) line += "  lr " + short_rate(status.lr);
    if (!std::isnan(status.data_share))
        line += fmt::format("  data {:.0f}%", 100 * status.data_share);
    if (const std::string time = timing(status); !time.empty()) line += "  " + time;
    return line + "  " + memory();
}

void Progress::step(const StepStatus& status) {
    const double now = options_.clock();
    if (now - last_plain_ >= kPlainSeconds) {
        last_plain_ = now;
        keep(plain_line(status), terminal_ ? nullptr : options_.out);
    }
    if (!terminal_ || options_.quiet || now - last_draw_ < kDrawSeconds) return;
    last_draw_ = now;
    draw(bar_line(status));
}

void Progress::end_epoch(const EpochStatus& status) {
    const std::string epochs = std::to_string(epochs_);
    std::string line = fmt::format("epoch {:>{}}/{}  train loss {:.3f}", epoch_, epochs.size() + 1,
                                   epochs, status.train_loss);
    if (!std::isnan(status.train_top1)) line += " acc1 " + percent(status.train_top1);
    if (!std::isnan(status.eval_loss)) line += fmt::format("   eval loss {:.3f}", status.eval_loss);
    if (!std::isnan(status.eval_top1)) line += " acc1 " + percent(status.eval_top1);
    if (!std::isnan(status.eval_top5)) line += " acc5 " + percent(status.eval_top5);
    if (!std::isnan(status.seconds))
        line += status.seconds < 10 ? fmt::format("   {:.1f} s", status.seconds)
                                    : fmt::format("   {:.0f} s", status.seconds);
    if (status.best) line += "   * best";
    this->line(line);
}

void Progress::line(const std::string& text) { keep(text, options_.out); }

void Progress::warning(const std::string& text) {
    // Also with --quiet; without colour codes in train.log.
    clear();
    const std::string shown = harmless(text);
    std::fflush(options_.out);
    std::fprintf(stderr, colour_ ? "\x1b[33mwarning\x1b[0m %s\n" : "warning %s\n", shown.c_str());
    if (log_) log_->append("warning " + shown);
}

/// Each line of the text, onto the screen (unless nullptr or quiet) and into train.log.
void Progress::keep(const std::string& text, std::FILE* screen) {
    std::string_view rest = text;
    while (true) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string shown = harmless(rest.substr(0, end));
        if (screen != nullptr && !options_.quiet) {
            clear();
            const bool best = colour_ && shown.ends_with("* best");
            const std::string painted =
                best ? shown.substr(0, shown.size() - 6) + "\x1b[32m* best\x1b[0m" : shown;
            std::fprintf(screen, "%s\n", painted.c_str());
            std::fflush(screen);
        }
        if (log_) log_->append(shown);
        if (end == rest.size()) return;
        rest.remove_prefix(end + 1);
    }
}

void Progress::draw(const std::string& text) {
    std::fprintf(options_.out, "\r%s", text.c_str());
    const int length = static_cast<int>(text.size());
    if (length < drawn_) std::fprintf(options_.out, "%*s", drawn_ - length, "");
    std::fflush(options_.out);
    drawn_ = std::max(length, 1);
}

void Progress::clear() {
    if (drawn_ == 0) return;
    std::fprintf(options_.out, "\r%*s\r", drawn_, "");
    drawn_ = 0;
}

}  // namespace fovea::apps
