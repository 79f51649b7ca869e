// What: keeps this partition's copies of what is registered in the tenants' homes: asks each other
//       partition for what is new since the revision that is kept here, takes it, and says when
//       that is in force. Asks all of them at its start (until then caught_up() is false, and
//       nothing is delivered or taken in), again each kLookNs, and when somebody wants to know.
// Threads: the API thread's; receive() whoever drives the port; caught_up() any.
// Lifetime: borrows all of Deps; the port's thread ends first.
// Limits: one question to a partition under way; kWaitingMax of those who wait for one (overflow
//         policy: refused with kUnavailable); what is read is in memory until its last page is
//         here: kCatchUpBytesMax.
// Failure: what is not answered is asked again; who waits is told kUnavailable.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "core/result.h"
#include "runtime/courier/http_port.h"
#include "runtime/crossing/neighbours.h"
#include "runtime/registry/copied_rows.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace millrace::runtime::crossing {

class RegistryFollower final : public courier::HttpReceiver {
public:
    static constexpr std::int64_t kLookNs = 5'000'000'000;
    static constexpr std::int64_t kAgainNs = 200'000'000;  // what was not answered
    static constexpr std::size_t kWaitingMax = 4096;
    static constexpr std::size_t kCatchUpBytesMax = 1u << 30;

    struct Deps {
        const core::Clock* clock = nullptr;
        core::Log* log = nullptr;
        courier::HttpPort* port = nullptr;
        const Neighbours* neighbours = nullptr;
        std::size_t partition = 0;  // this one
        std::size_t partitions = 1;
        // To the API thread.
        std::function<void(std::function<void()>)> post;
        // How far of that home is here; 0: nothing is.
        std::function<std::uint64_t(std::size_t home)> kept;
        // Takes rows, durably; true when they are in force.
        std::function<core::Status(std::size_t home, SpreadRows&& rows, bool whole,
                                   std::uint64_t revision)>
            take;
    };
    explicit RegistryFollower(Deps deps);

    using Done = std::function<void(core::Result<std::uint64_t>&&)>;
    // All that the home has when this is called is in force here when `done` is told so; it gets
    // the home's revision.
    void follow(std::size_t home, Done done);
    std::size_t do_work();
    // release and acquire: whoever sees it finds the copies
    bool caught_up() const { return caught_up_.load(std::memory_order_acquire); }

    void receive(std::uint64_t ticket, courier::HttpAnswer&& answer) override;

private:
    struct Home {
        std::uint64_t revision = 0;  // kept here
        bool known = false;          // asked and taken since the start
        std::uint64_t ticket = 0;    // 0: nothing is under way
        std::int64_t look_at_ns = 0;
        SpreadRows rows;  // of the pages so far
        std::size_t bytes = 0;
        bool whole = false;
        std::uint64_t whole_at = 0;  // revision of its first page
        bool goes_on = false;        // asked for a further page of it
        std::vector<Done> asked;     // before what is under way began
        std::vector<Done> waiting;   // for the next one
        std::string trouble;         // told; empty: none
    };

    void begin(std::size_t home);
    bool ask(std::size_t home, std::uint64_t after, const std::string& next);
    void answered(std::size_t home, courier::HttpAnswer&& answer);
    void took_page(std::size_t home, SpreadPage&& page);
    void finish(std::size_t home, std::uint64_t revision);
    void fail(std::size_t home, const core::Error& why);
    void end(std::size_t home, const core::Result<std::uint64_t>& result);

    const Deps deps_;
    std::vector<Home> homes_;
    std::uint64_t asked_ = 0;
    std::atomic<bool> caught_up_{false};
};

}  // namespace millrace::runtime::crossing
