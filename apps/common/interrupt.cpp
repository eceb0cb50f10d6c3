#include "apps/common/interrupt.h"

#include <unistd.h>
#include <csignal>

namespace fovea::apps {
namespace {

// The only things a handler may touch.
volatile sig_atomic_t g_stop = 0;
volatile sig_atomic_t g_save = 0;

constexpr int kCaught[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE};
constexpr int kCount = sizeof kCaught / sizeof *kCaught;
struct sigaction g_before[kCount];

void on_signal(int signal) {
    if (signal == SIGUSR1) {
        g_save = 1;
    } else if (signal == SIGINT && g_stop == SIGINT) {
        _exit(exit_status(SIGINT));
    } else if (g_stop == 0) {
        g_stop = signal;
    } else if (signal == SIGINT) {
        g_stop = SIGINT;  // asked twice by different signals: the next SIGINT leaves at once
    }
}

}  // namespace

SignalGuard::SignalGuard() {
    g_stop = 0;
    g_save = 0;
    for (int i = 0; i < kCount; ++i) {
        struct sigaction action {};
        action.sa_handler = kCaught[i] == SIGPIPE ? SIG_IGN : on_signal;
        action.sa_flags = SA_RESTART;  // reads and writes in progress go on
        sigemptyset(&action.sa_mask);
        sigaction(kCaught[i], &action, &g_before[i]);
    }
}

SignalGuard::~SignalGuard() {
    for (int i = 0; i < kCount; ++i) sigaction(kCaught[i], &g_before[i], nullptr);
}

int stop_signal() { return g_stop; }

bool take_save_request() {
    if (g_save == 0) return false;
    g_save = 0;
    return true;
}

int exit_status(int signal) { return 128 + signal; }

const char* signal_name(int signal) {
    switch (signal) {
        case SIGINT: return "SIGINT";
        case SIGTERM: return "SIGTERM";
        case SIGHUP: return "SIGHUP";
        case SIGUSR1: return "SIGUSR1";
        default: return "signal";
    }
}

}  // namespace fovea::apps
