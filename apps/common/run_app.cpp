#include "apps/common/run_app.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "core/error.h"
#include "core/serialize/atomic_file.h"
#include "kernels/include/gpu.h"

namespace fovea::apps {
namespace {

int report(const Error& error) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s\n", format_error(error).c_str());
    return static_cast<int>(error.exit());
}

}  // namespace

int run_app(const std::function<int()>& body) {
    signal(SIGXFSZ, SIG_IGN);  // a file-size limit then shows as an error of write()
    try {
        const int status = body();
        errno = 0;
        if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && errno != EPIPE)
            throw file_error(errno, "write", "standard output");
        return status;
    } catch (const Error& error) {
        return report(error);
    } catch (const std::bad_alloc&) {
        return report(Error("M01", "out of memory", {}, "a smaller --batch, or --accum 2"));
    } catch (const gpu::Failure& error) {
        return report(Error("G03", error.what(), {}, "./fovea doctor; --device cpu"));
    } catch (const std::exception& error) {
        return report(Error("B99", std::string("unexpected: ") + error.what(), {},
                            "please report this with the command line and env.json"));
    } catch (...) {
        return report(Error("B99", "unexpected exception", {},
                            "please report this with the command line and env.json"));
    }
}

}  // namespace fovea::apps
