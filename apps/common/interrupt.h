// Signals as requests that the training loop looks at between steps.
//
//     SignalGuard signals;                          // while it lives; the old handlers come back after
//     if (take_save_request()) save();              // SIGUSR1: save and go on
//     if (stop_signal() != 0) { save(); print_resume_line(); return exit_status(stop_signal()); }
//
// SIGINT, SIGTERM, SIGHUP: finish the step, save, leave. A second SIGINT leaves at once with 130;
// files stay whole because each is written beside its place and renamed.
#pragma once

namespace fovea::apps {

/// Installs the handlers, and ignores SIGPIPE (a closed pager must not end a training run).
class SignalGuard {
public:
    SignalGuard();
    ~SignalGuard();
    SignalGuard(const SignalGuard&) = delete;
    SignalGuard& operator=(const SignalGuard&) = delete;
};

/// The signal that asked to stop, or 0.
int stop_signal();

/// True once for each SIGUSR1 since the last call (several in between count once).
bool take_save_request();

/// 128 + signal: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
int exit_status(int signal);

/// "SIGINT", ... for messages.
const char* signal_name(int signal);

}  // namespace fovea::apps
