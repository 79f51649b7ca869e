// What: the two checks of the code base. Input from clients, disks, handlers and clocks is never
//       asserted: it is handled. These are for states that our own code must make impossible.
// Threads: any. Lifetime: none. Limits: none.
// Failure: prints the expression and the place, then aborts; the supervisor restarts.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace millrace::core {

[[noreturn]] inline void assert_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr,
                 "{\"level\":\"fatal\",\"message\":\"impossible state: %s\",\"at\":\"%s:%d\"}\n",
                 expression, file, line);
    std::abort();
}

}  // namespace millrace::core

// Always on, also in release builds.
#define MR_ASSERT(expression)                                                 \
    do {                                                                      \
        if (!(expression)) [[unlikely]]                                       \
            ::millrace::core::assert_failed(#expression, __FILE__, __LINE__); \
    } while (false)

// Debug builds only: for hot loops.
#ifdef NDEBUG
#define MR_DCHECK(expression) ((void)sizeof(!(expression)))
#else
#define MR_DCHECK(expression) MR_ASSERT(expression)
#endif
