#include "runtime/server/last_words.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>

#include <unistd.h>

namespace millrace::runtime {

namespace {

std::atomic<int> g_exit_code{1};

void say(const char* text) {
    // A failing write leaves nowhere to say so.
    static_cast<void>(!::write(STDERR_FILENO, text, std::strlen(text)));
}

[[noreturn]] void on_terminate() {
    const char* text = nullptr;
    try {
        if (std::current_exception()) text = refusal_text();
    } catch (...) {
        text = nullptr;
    }
    if (text == nullptr) {
        say("{\"level\":\"error\",\"message\":\"millrace can't go on: an unexpected "
            "exception\"}\n");
        std::abort();
    }
    say("{\"level\":\"error\",\"message\":\"millrace can't go on: ");
    say(text);
    say("\"}\n");
    std::_Exit(g_exit_code.load(std::memory_order_relaxed));  // set by main at two moments
}

}  // namespace

const char* refusal_text() {
    try {
        std::rethrow_exception(std::current_exception());
    } catch (const std::bad_alloc&) {
        return "out of memory: the system refuses more; look at ulimit -v, the memory limit of "
               "the container, and free memory";
    } catch (const std::system_error& error) {
        if (error.code() == std::errc::resource_unavailable_try_again) {
            return "a thread can't be started: the system refuses more; look at ulimit -u, ulimit "
                   "-v, the limit of tasks of the container, and free memory";
        }
        if (error.code() == std::errc::not_enough_memory)
            return "out of memory: the system refuses more; look at ulimit -v";
        return "the system refuses what is needed";
    } catch (...) {
        return nullptr;
    }
}

void set_last_words_exit_code(int exit_code) {
    g_exit_code.store(exit_code, std::memory_order_relaxed);  // read in the last moment only
}

void install_last_words(int exit_code) {
    set_last_words_exit_code(exit_code);
    std::set_terminate(on_terminate);
}

}  // namespace millrace::runtime
