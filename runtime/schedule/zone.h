// What: a time zone of the system's tzdata: how far the clocks on its walls are from UTC, and from
//       when to when. Behind the last change that tzdata lists, its rule for the years to come
//       goes on.
// Threads: a value; any thread. find() reads files, each zone once a process.
// Lifetime: zones live as long as the process. tzdata of a new version is seen by the next one.
// Limits: kZoneNameBytesMax. Only names that tzdata lists are opened as files.
// Failure: a name that it does not list is kValidation.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace millrace::runtime {

inline constexpr std::size_t kZoneNameBytesMax = 64;

class Zone {
public:
    // From one change of the offset to the next: [begin, end), in seconds since 1970.
    struct Period {
        std::int64_t begin_s = std::numeric_limits<std::int64_t>::min();
        std::int64_t end_s = std::numeric_limits<std::int64_t>::max();
        std::int64_t offset_s = 0;  // what a wall shows is UTC + this
    };

    Zone() = default;  // UTC
    static core::Result<Zone> find(std::string_view name);

    Period at(std::int64_t second) const;

private:
    struct Loaded;
    const Loaded* loaded_ = nullptr;  // null: UTC
};

}  // namespace millrace::runtime
