// What: one cycle of torture seen from outside the server: what was sent, what was acknowledged,
//       and what the restarted server must therefore answer.
// Threads: load() runs its own clients; everything else by one.
// Lifetime: of a cycle. Limits: kEventsMax events a cycle.
// Failure: check() counts what is wrong and keeps the first words about each kind.
#pragma once

#include "tools/cli/http.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tools {

struct TortureFindings {
    std::uint64_t lost = 0;           // acknowledged and not there
    std::uint64_t twice = 0;          // in the log more than once
    std::uint64_t changed = 0;        // not what was sent, or not where the answer said
    std::uint64_t out_of_order = 0;   // within a partition key
    std::uint64_t unknown_again = 0;  // sent again and not recognised
    std::uint64_t effects_missing = 0;
    std::uint64_t effects_extra = 0;
    std::uint64_t unanswered = 0;  // the server did not answer a question of the check
    std::string first;             // in words
    std::uint64_t sum() const {
        return lost + twice + changed + out_of_order + unknown_again + effects_missing +
               effects_extra + unanswered;
    }
};

class TortureLedger {
public:
    static constexpr std::size_t kEventsMax = 200'000;
    static constexpr int kDrainSeconds = 60;

    explicit TortureLedger(std::uint64_t cycle) : cycle_(cycle) {}

    // Clients post batches of several sizes until `stop` or the server is gone.
    void load(const std::string& server, const std::atomic<bool>& stop);
    // Against the restarted server.
    // Ends early, without a finding about what it did not wait for, once `stopped` says so.
    void check(const std::string& server, TortureFindings& findings,
               const std::function<bool()>& stopped);

    std::uint64_t sent() const { return sent_.size(); }
    std::uint64_t acknowledged() const { return acknowledged_.size(); }

    // The handler whose effects are counted, and its reader. Once per data folder.
    static core::Status prepare(const std::string& server);

private:
    struct Place {
        std::uint64_t shard = 0;
        std::uint64_t offset = 0;
        bool operator==(const Place&) const = default;
    };
    struct Kept {
        Place place;
        std::uint64_t copies = 0;
        bool as_sent = false;
    };
    void client(const std::string& server, std::string_view key, std::size_t batch,
                const std::atomic<bool>& stop);
    std::string make(std::string_view key);
    bool read_log(HttpClient& http, std::map<std::string, Kept>& kept, TortureFindings& findings);
    void check_order(const std::map<std::string, Kept>& kept, TortureFindings& findings);
    void check_repeats(HttpClient& http, const std::map<std::string, Kept>& kept,
                       TortureFindings& findings);
    void check_effects(HttpClient& http, std::uint64_t expected, TortureFindings& findings,
                       const std::function<bool()>& stopped);
    std::string pattern() const { return "torture.c" + std::to_string(cycle_); }

    const std::uint64_t cycle_;
    std::mutex mutex_;
    std::map<std::string, std::string> sent_;                // id -> text
    std::map<std::string, std::vector<std::string>> order_;  // partition key -> ids as sent
    std::map<std::string, Place> acknowledged_;
};

}  // namespace millrace::tools
