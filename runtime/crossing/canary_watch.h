// What: at a tenant's home, asks each other partition once a second what versions of scripts that
//       are tried (executors/canary_table.h) have come to there.
// Threads: the API thread's; receive() whoever drives the port.
// Lifetime: borrows all of Deps; the port's thread ends first.
// Limits: one question to a partition under way; an answer has kToldBytesMax.
// Failure: what is not answered, or does not read (told in the log once), is asked again; whoever
//          is told the figures sees how old they are.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "runtime/courier/http_port.h"
#include "runtime/crossing/neighbours.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace millrace::runtime::crossing {

class CanaryWatch final : public courier::HttpReceiver {
public:
    static constexpr std::int64_t kAskNs = 1'000'000'000;
    static constexpr std::size_t kToldBytesMax = 16u << 20;

    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        courier::HttpPort* port = nullptr;
        const Neighbours* neighbours = nullptr;
        std::size_t partition = 0;  // this one
        std::size_t partitions = 1;
        // To the API thread.
        std::function<void(std::function<void()>)> post;
        // Whether there is anything to ask about.
        std::function<bool()> any;
        // False: that does not read.
        std::function<bool(std::size_t partition, std::string_view told)> hear;
        std::function<void(std::size_t partition)> hear_nothing;  // it was asked in vain
    };
    explicit CanaryWatch(Deps deps);

    std::size_t do_work();
    void receive(std::uint64_t ticket, courier::HttpAnswer&& answer) override;

private:
    void answered(std::size_t partition, const courier::HttpAnswer& answer);

    const Deps deps_;
    std::vector<char> asked_;   // by partition: a question is under way
    std::vector<char> unread_;  // its last answer did not read
    std::int64_t ask_at_ns_ = 0;
};

}  // namespace millrace::runtime::crossing
