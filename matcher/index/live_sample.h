// What: values that events of late had at the paths in use, sampled while matching, so that a
//       rebuild can see how often a condition is met instead of guessing it from the variety of
//       operands; and how many entries matching looked at.
// Threads: note(): any reader, which gives up when another one is at it; take(): the rebuild.
// Lifetime: the Matcher's; snapshots share it.
// Limits: kRecords values of at most kTextMax bytes. Failure: none.
#pragma once

#include "core/field_table.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace millrace::matcher {

class LiveSample {
public:
    // One event in so many is sampled.
    static constexpr std::uint32_t kEvery = 64;
    static constexpr std::size_t kRecords = 8192;
    static constexpr std::size_t kTextMax = 40;
    static constexpr std::size_t kValuesPerEvent = 64;

    struct Record {
        std::uint64_t hash = 0;  // hash_of_value()
        double number = 0;
        std::uint32_t slot = 0;
        core::FieldType type = core::FieldType::kNull;
        std::uint8_t bytes = 0;  // a longer text is cut
        char text[kTextMax + 2] = {};

        std::string_view view() const { return {text, bytes}; }
    };
    static_assert(sizeof(Record) == 64);
    struct Content {
        std::vector<Record> records;
        std::size_t events = 0;   // that the records are of
        std::uint64_t noted = 0;  // events since the last forget()
        std::uint64_t met = 0;    // entries looked at for them
        std::uint64_t matched = 0;
    };

    LiveSample() : ring_(kRecords) {}
    void note(const core::FieldTable& fields, std::size_t met, std::size_t matched);
    Content take() const;
    // The figures without the records; all 0 while somebody else is at it.
    Content figures() const;
    // Slots have changed hands.
    void forget();
    // Another index is asked from now on.
    void restart_figures();
    std::size_t bytes() const { return ring_.capacity() * sizeof(Record); }

private:
    class Guard;
    void add(const core::FieldValue& value);

    mutable std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
    std::vector<Record> ring_;
    std::uint64_t next_ = 0;    // records ever written
    std::uint64_t events_ = 0;  // that wrote them
    std::uint64_t noted_ = 0;   // since restart_figures()
    std::uint64_t met_ = 0;
    std::uint64_t matched_ = 0;
};

}  // namespace millrace::matcher
