#include "runtime/server/signals.h"

#include <initializer_list>

#include <signal.h>

namespace millrace::runtime {

namespace {

volatile sig_atomic_t g_ends = 0;
volatile sig_atomic_t g_hangup = 0;

void count_end(int) { g_ends = g_ends + 1; }
void note_hangup(int) { g_hangup = 1; }

void handle(int signal, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
}

}  // namespace

void install_signals() {
    for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) handle(signal, count_end);
    handle(SIGHUP, note_hangup);
    // A write over the file size limit is an error that the store tells (XFSZ).
    for (const int signal : {SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ}) handle(signal, SIG_IGN);
}

int end_signals() { return g_ends; }

bool take_hangup() {
    const bool hangup = g_hangup != 0;
    g_hangup = 0;
    return hangup;
}

}  // namespace millrace::runtime
