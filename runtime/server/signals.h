// What: what the process does when it is sent a signal. TERM, INT and QUIT ask for a drain, a
//       second one for the end at once; HUP asks to look at the configuration again; USR1, USR2
//       and PIPE are ignored; none ends the process by itself.
// Threads: install_signals() main's; handlers only count. Lifetime: the process.
// Limits: none. Failure: none.
#pragma once

namespace millrace::runtime {

void install_signals();

int end_signals();   // how often the end was asked for
bool take_hangup();  // true once for any number of HUPs since the last call

}  // namespace millrace::runtime
