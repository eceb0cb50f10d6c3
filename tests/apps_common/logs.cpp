#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "apps/common/csv_log.h"
#include "apps/common/csv_table.h"
#include "apps/common/progress.h"
#include "core/error.h"
#include "tests/apps_common/temp_folder.h"

using namespace fovea;
using namespace fovea::apps;

namespace {

void train(const RunFolder& run, std::int64_t from_step, std::int64_t to_step) {
    TrainingLog log(run);
    for (std::int64_t step = from_step; step <= to_step; ++step) {
        const std::int64_t epoch = (step - 1) / 10 + 1;
        const auto x = static_cast<double>(step);
        log.step({step, epoch, 1 / x, 1e-3 / x, std::sqrt(x)});
        if (step % 10 == 0) {
            EpochRow row;
            row.epoch = epoch;
            row.train_loss = 1 / x;
            row.eval_top1 = x;
            log.epoch(row);
        }
    }
    log.sync();
}

}  // namespace

TEST_CASE("logs are cut back to the checkpoint and end up as without an interruption") {
    test::TempFolder folder;
    const RunFolder whole = RunFolder::create("m", 1, (folder.path / "whole").string());
    train(whole, 1, 40);
    const RunFolder broken = RunFolder::create("m", 1, (folder.path / "broken").string());
    train(broken, 1, 27);
    test::write(broken.steps_csv(), test::read(broken.steps_csv()) + "28,3,0.0");  // a kill
    TrainingLog::cut_back(broken, 15, 1);
    train(broken, 16, 40);
    CHECK(test::read(broken.steps_csv()) == test::read(whole.steps_csv()));
    CHECK(test::read(broken.log_csv()) == test::read(whole.log_csv()));
    CHECK(read_csv(whole.steps_csv()).rows.size() == 40);
    TrainingLog::cut_back(whole, 0, 0);
    CHECK(read_csv(whole.log_csv()).rows.empty());
    CHECK(read_csv(whole.log_csv()).columns == epoch_columns());
}

TEST_CASE("log.csv: timm's columns first, wall-clock columns last") {
    const auto& columns = epoch_columns();
    const std::vector<std::string> timm{"epoch",     "train_loss", "eval_loss",
                                        "eval_top1", "eval_top5",  "lr"};
    CHECK(std::equal(timm.begin(), timm.end(), columns.begin()));
    CHECK(columns[kRepeatableEpochColumns] == "epoch_s");
    CHECK(columns.size() == 14);
}

TEST_CASE("a log of another version is an error") {
    test::TempFolder folder;
    const RunFolder run = RunFolder::create("m", 1, (folder.path / "run").string());
    test::write(run.log_csv(), "epoch,loss\n");
    CHECK_THROWS_AS(TrainingLog(run), Error);
}

TEST_CASE("a row that does not fit on the disk is an error and leaves whole rows") {
    test::TempFolder folder;
    const RunFolder run = RunFolder::create("m", 1, (folder.path / "run").string());
    const pid_t child = fork();
    if (child == 0) {  // the limit on file sizes stays in here
        signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{300, 300};
        setrlimit(RLIMIT_FSIZE, &limit);
        try {
            TrainingLog log(run);
            for (int step = 1; step < 100; ++step) log.step({step, 1, 0.5, 0.1, 1});
        } catch (const Error& error) {
            _exit(static_cast<int>(error.exit()));
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 7);
    const std::string text = test::read(run.steps_csv());
    CHECK(text.size() <= 300);
    CHECK(text.ends_with(",1,0.5,0.1,1\n"));
}

TEST_CASE("CSV round trip") {
    const std::vector<std::string> cells{"", "a,b", "\"", "x\ny", "plain", "\r"};
    const CsvTable table = parse_csv(csv_line({"1", "2", "3", "4", "5", "6"}) + "\n" +
                                     csv_line(cells) + "\nunfinished,li");
    REQUIRE(table.rows.size() == 1);
    CHECK(table.rows[0] == cells);
    CHECK(csv_number(0.1) == "0.1");
    CHECK(csv_number(NAN).empty());
    CHECK(std::isnan(table.number(0, "1")));
    CHECK(std::isnan(table.number(0, "no such column")));
}

namespace {

/// What a Progress prints for 3 epochs of 100 steps, a step a second.
std::string session(ProgressOptions options, const test::TempFolder& folder) {
    double now = 0;
    options.clock = [&] { return now; };
    options.out = std::fopen((folder.path / "screen").c_str(), "w");
    {
        Progress progress(options);
        progress.line("device   cpu");
        for (int epoch = 1; epoch <= 3; ++epoch) {
            progress.begin_epoch(epoch, 3, 100);
            for (int step = 1; step <= 100; ++step) {
                for (int i = 0; i < 50; ++i) {  // many calls a second: few redraws
                    now += 0.02;
                    progress.step({step, 2.0, 2.1, 50.0, 4.82e-4, step * 128, 0.02});
                }
            }
            progress.end_epoch({2.1, 50, 1.9, 60, 99, 100, epoch == 3});
        }
    }
    std::fclose(options.out);
    return test::read(folder.path / "screen");
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++n;
    return n;
}

}  // namespace

TEST_CASE("progress without a terminal: plain lines, one in 30 s and one an epoch") {
    test::TempFolder folder;
    ProgressOptions options;
    options.log_file = folder.path / "train.log";
    const std::string text = session(options, folder);  // a file is no terminal
    CHECK(text.find('\r') == std::string::npos);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(count(text, "\n") == 1 + 3 * (3 + 1));
    CHECK(count(text, "* best") == 1);
    CHECK(text == test::read(folder.path / "train.log"));
}

TEST_CASE("progress on a terminal: ten redraws a second, never wider than the screen") {
    test::TempFolder folder;
    ProgressOptions options;
    options.terminal = 1;
    options.colour = 0;
    options.width = 100;
    options.log_file = folder.path / "train.log";
    const std::string text = session(options, folder);
    CHECK(count(text, "\repoch") <= 3001);
    CHECK(count(text, "\repoch") > 2400);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("loss 2.000 (2.100)  acc1 50.0%  128 img/s  ETA ") != std::string::npos);
    std::size_t start = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i < text.size() && text[i] != '\r' && text[i] != '\n') continue;
        REQUIRE(i - start < 100);
        start = i + 1;
    }
    const std::string log = test::read(folder.path / "train.log");
    CHECK(log.find('\r') == std::string::npos);
    CHECK(count(log, "\n") == 1 + 3 * (3 + 1));
}

TEST_CASE("progress: quiet, and text that a terminal would obey") {
    test::TempFolder folder;
    ProgressOptions options;
    options.quiet = true;
    options.terminal = 1;
    options.log_file = folder.path / "train.log";
    CHECK(session(options, folder).empty());
    {
        Progress progress(options);
        progress.line("class \x1b[31mred\nsecond line");
    }
    CHECK_THAT(test::read(folder.path / "train.log"),
               Catch::EndsWith("class ?[31mred\nsecond line\n"));
}
