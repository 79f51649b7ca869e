// What: what is said when memory, threads or the like are refused where nobody can go on: one line
//       with the reason and what helps, and an exit code instead of an abort. Nothing is lost: what
//       is acknowledged is on the disk.
// Threads: install: main's; the handler runs on the thread that failed.
// Lifetime: the process. Limits: allocates nothing.
// Failure: what is no such refusal aborts as before, with a core.
#pragma once

namespace millrace::runtime {

// The exit code until the server serves, and from then on.
void install_last_words(int exit_code);
void set_last_words_exit_code(int exit_code);

// "out of memory ...", "a thread can't be started ...", for the exception being handled; null when
// it is no refusal of the system.
const char* refusal_text();

}  // namespace millrace::runtime
