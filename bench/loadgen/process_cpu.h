// What: CPU seconds (user + system) of a process, and its resident memory, from /proc.
// Threads: any. Lifetime: none. Limits: Linux. Failure: negative when the process can not be read.
#pragma once

#include <cstdint>

#include <sys/types.h>

namespace millrace::bench {

double process_cpu_seconds(pid_t pid);
std::int64_t process_resident_bytes(pid_t pid);

}  // namespace millrace::bench
