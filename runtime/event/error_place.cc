#include "runtime/event/error_place.h"

#include <string>

namespace millrace::runtime {

void tell_place(core::Error& error, std::int64_t to) {
    if (error.position < 0 || error.position == to) return;
    const std::string told = " at byte " + std::to_string(error.position);
    const std::size_t at = error.message.find(told);
    error.position = to;
    if (at == std::string::npos) return;
    if (to >= 0) {
        error.message.replace(at, told.size(), " at byte " + std::to_string(to));
        return;
    }
    // What was found there is none of the client's bytes either.
    std::size_t bytes = told.size();
    if (const std::size_t found = error.message.find(", found '", at + bytes);
        found == at + bytes && error.message.ends_with('\''))
        bytes = error.message.size() - at;
    error.message.erase(at, bytes);
}

}  // namespace millrace::runtime
