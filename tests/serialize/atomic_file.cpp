// Atomic files and append-only logs, and what they say when a write fails.
#include "core/serialize/atomic_file.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "core/serialize/utf8.h"
#include "tests/serialize/file_size_limit.h"
#include "tests/serialize/test_files.h"

namespace fovea::test {

TEST_CASE("an atomic file appears whole, or not at all") {
    const TempDir dir;
    const std::string path = dir / "file.txt";
    write_text_atomically(path, "one");
    CHECK(read_text(path) == "one");

    std::string expected;
    {
        AtomicFile file(path);
        for (int i = 0; i < 100'000; ++i) {
            const std::string line = std::to_string(i) + '\n';
            file.write(line);
            expected += line;
        }
        const std::string large(300'000, 'x');
        file.write(large);
        file.write("end");
        expected += large + "end";
        CHECK(read_text(path) == "one");
        CHECK(dir.names() ==
              std::set<std::string>{"file.txt", "file.txt.tmp." + std::to_string(::getpid())});
        file.commit();
    }
    CHECK(read_text(path) == expected);

    { AtomicFile(path).write("given up"); }
    CHECK(read_text(path) == expected);
    CHECK(dir.names() == std::set<std::string>{"file.txt"});

    write_text_atomically(path, "");
    CHECK(read_text(path).empty());
}

TEST_CASE("a leftover temporary or a link in its place does no harm") {
    const TempDir dir;
    const std::string temporary = (dir / "file.tmp.") + std::to_string(::getpid());
    write_text(temporary, std::string(1000, 'x'));
    write_text_atomically(dir / "file", "short");
    CHECK(read_text(dir / "file") == "short");

    write_text(dir / "victim", "keep");
    std::filesystem::create_symlink(dir / "victim", temporary);
    CHECK(code_of([&] { write_text_atomically(dir / "file", "new"); }) == "F01");
    CHECK(read_text(dir / "victim") == "keep");
}

TEST_CASE(
    "running out of space is F02, names both sizes and the intact file, and leaves nothing "
    "behind") {
    const TempDir dir;
    const std::string path = dir / "log.svg";
    write_text_atomically(path, "old");
    for (const std::size_t limit : {0, 1, 1000, 65'536, 70'000, 199'999}) {
        INFO(limit);
        std::optional<Error> error;
        {
            const FileSizeLimit guard(limit);
            error = error_of([&] { write_text_atomically(path, std::string(200'000, 'x')); });
        }
        REQUIRE(error.has_value());
        CHECK(error->code() == "F02");
        CHECK(error->exit() == Exit::Disk);
        CHECK(error->message().find("needs 195.3 KiB") != std::string::npos);
        CHECK(error->at().find(path) != std::string::npos);
        CHECK(error->attempt().find("last intact file: " + path) != std::string::npos);
        CHECK(read_text(path) == "old");
        CHECK(dir.names() == std::set<std::string>{"log.svg"});
    }
    const FileSizeLimit guard(200'000);
    CHECK(code_of([&] { write_text_atomically(path, std::string(200'000, 'x')); }) == "none");
}

TEST_CASE("errno decides the code and the message") {
    const auto code = [](int e) { return file_error(e, "write", "/nowhere/f").code(); };
    for (const int e : {ENOSPC, EDQUOT, EFBIG}) CHECK(code(e) == "F02");
    for (const int e : {EACCES, EPERM, EROFS, ENOENT, ENOTDIR}) CHECK(code(e) == "F01");
    for (const int e : {EIO, EBADF, EINVAL, ESTALE}) CHECK(code(e) == "F03");

    const TempDir dir;
    const Error full = file_error(ENOSPC, "write", dir / "f", 249'561'088);
    CHECK(full.message().find("needs 238.0 MiB") != std::string::npos);
    CHECK(full.message().find(" free") != std::string::npos);
    CHECK(full.at().find("No space left") != std::string::npos);
    CHECK(full.attempt().find("intact") == std::string::npos);  // there is no such file
    CHECK(file_error(EROFS, "create", dir / "f").message().find("Read-only") != std::string::npos);
}

TEST_CASE("a folder that cannot be written to is F01") {
    const TempDir dir;
    write_text(dir / "plain", "");
    CHECK(code_of([&] { write_text_atomically(dir / "plain/f", "x"); }) == "F01");
    CHECK(code_of([&] { write_text_atomically(dir / "missing/f", "x"); }) == "F01");
    CHECK(code_of([&] { AppendFile(dir / "missing/f"); }) == "F01");
    std::filesystem::create_directory(dir / "folder");
    CHECK(code_of([&] { write_text_atomically(dir / "folder", "x"); }) == "F01");
    CHECK(dir.names() == std::set<std::string>{"folder", "plain"});

    REQUIRE(::chmod((dir / "folder").c_str(), 0500) == 0);
    if (::geteuid() == 0)
        WARN("running as root, whom permissions do not bind: the check of EACCES is skipped");
    else
        CHECK(code_of([&] { write_text_atomically(dir / "folder/f", "x"); }) == "F01");
}

TEST_CASE("temporaries of dead processes are removed, others stay") {
    const TempDir dir;
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ::waitpid(child, nullptr, 0);
    const std::string dead = "last.ckpt.safetensors.tmp." + std::to_string(child);
    const std::string own = "a.csv.tmp." + std::to_string(::getpid());
    const std::set<std::string> kept = {"b.csv.tmp." + std::to_string(::getppid()),
                                        "c.tmp.",
                                        "d.tmp.12x",
                                        "e.tmp",
                                        "last.ckpt.safetensors",
                                        "f.tmp.99999999999999999999",
                                        "g.tmp.0",
                                        "h.tmp.-1"};
    write_text(dir / dead, "half");
    write_text(dir / own, "half");
    for (const std::string& name : kept) write_text(dir / name, "");

    const std::vector<std::string> removed = remove_stale_temporaries(dir.path());
    CHECK(std::set(removed.begin(), removed.end()) == std::set{dead, own});
    CHECK(dir.names() == kept);
    CHECK(remove_stale_temporaries(dir / "missing").empty());
}

TEST_CASE("a log grows by whole lines and can be cut back") {
    const TempDir dir;
    const std::string path = dir / "log.csv";
    {
        AppendFile log(path);
        for (const char* line : {"epoch,loss", "0,2.3", "1,1.9"}) log.append(line);
        log.sync();
    }
    CHECK(read_text(path) == "epoch,loss\n0,2.3\n1,1.9\n");

    write_text(path, read_text(path) + "2,1.");  // killed in the middle of a line
    {
        AppendFile log(path);
        CHECK(read_text(path) == "epoch,loss\n0,2.3\n1,1.9\n");
        CHECK(log.keep_lines(2) == 2);
        log.append("1,1.8");
        CHECK(log.keep_lines(10) == 3);
    }
    CHECK(read_text(path) == "epoch,loss\n0,2.3\n1,1.8\n");
    CHECK(AppendFile(path).keep_lines(0) == 0);
    CHECK(read_text(path).empty());
    write_text(path, "half a line");
    CHECK(AppendFile(path).keep_lines(5) == 0);

    // Longer than one block of the reader, with a line across the blocks' border.
    std::string many;
    for (int i = 0; i < 30'000; ++i) many += std::to_string(i) + '\n';
    write_text(path, many);
    CHECK(AppendFile(path).keep_lines(20'000) == 20'000);
    CHECK(read_text(path) == many.substr(0, many.find("20000\n")));
}

TEST_CASE("a log on a full disk reports it and keeps whole lines") {
    AppendFile full("/dev/full");
    const auto error = error_of([&] { full.append("1,2,3"); });
    REQUIRE(error.has_value());
    CHECK(error->code() == "F02");
    CHECK(error->at().find("No space left") != std::string::npos);

    const TempDir dir;
    AppendFile log(dir / "log.csv");
    log.append("epoch,loss");
    std::string code;
    {
        const FileSizeLimit guard(14);
        code = code_of([&] { log.append("0,2.302585"); });  // only 3 bytes of it fit
    }
    CHECK(code == "F02");
    CHECK(read_text(dir / "log.csv") == "epoch,loss\n");
    log.append("0,2.302585");
    CHECK(read_text(dir / "log.csv") == "epoch,loss\n0,2.302585\n");
}

TEST_CASE("UTF-8 is told from what is not") {
    for (const char* good :
         {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
          "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
        CHECK(is_valid_utf8(good));
    for (const char* bad : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41",
                            "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82", "\xF0\x8F\xBF\xBF",
                            "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xFE"})
        CHECK_FALSE(is_valid_utf8(bad));
}

}  // namespace fovea::test
