// What: the agent that calls the outside: one thread, libcurl's multi interface by curl_loop.h. The
//       address that a call is about to connect to is judged by AddressRules on its very bytes; no
//       proxy, no cookie, no other scheme than http and https; certificates are verified.
// Threads: send() and cancel() any; the rest its own.
// Lifetime: receivers outlive its thread.
// Limits: kCallsWaitingMax calls that have not begun (overflow policy: refuse, the caller says so),
//         kCallsMax of scripts and webhooks_max of webhooks under way, kCallsPerHostMax connections
//         to one host; kHeaderBytesMax of an answer's headers; answers_bytes_max of all answers'
//         bodies until whoever called has let go of them (overflow policy: the call fails). Names
//         that nobody has answered for when their calls were over: lookups_left.h, then none of the
//         same tenant's is looked up for a while.
// Failure: an answer with a fault; libcurl that can not be set up ends the process.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "core/task_queue.h"
#include "runtime/courier/address_rules.h"
#include "runtime/courier/call_groups.h"
#include "runtime/courier/curl_loop.h"
#include "runtime/courier/http_port.h"
#include "runtime/courier/lookups_left.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::courier {

class Courier final : public core::Agent, public HttpPort {
public:
    static constexpr std::size_t kCallsWaitingMax = 16'384;
    static constexpr std::size_t kCallsMax = 1'024;
    static constexpr std::size_t kCallsPerHostMax = 64;
    static constexpr std::size_t kIdleConnectionsMax = 256;
    static constexpr std::size_t kIdleHandlesMax = 64;
    static constexpr long kIdleSecondsMax = 60;
    static constexpr std::size_t kHeaderBytesMax = 64u << 10;
    static constexpr std::size_t kAnswersBytesMax = 256u << 20;

    Courier(const core::Clock& clock, AddressRules rules, std::size_t webhooks_max,
            std::size_t answers_bytes_max = kAnswersBytesMax);
    // For one place that the operator has named: that host may be called, wherever it is, and no
    // other. An error says what is wrong with the URL.
    static core::Result<std::unique_ptr<Courier>> to(const core::Clock& clock,
                                                     std::string_view url);
    ~Courier() override;

    bool send(HttpReceiver& receiver, std::uint64_t ticket, HttpCall&& call) override;
    void cancel(HttpReceiver& receiver, std::uint64_t ticket) override;

    std::string_view name() const override { return "courier"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void wake() override;

    // What all answers may take together; others that bring some draw from it too.
    const std::shared_ptr<core::ByteShare>& answers() const { return answers_; }

    // Any thread; figures.
    std::size_t webhooks_under_way() const { return under_way_.load(std::memory_order_relaxed); }
    std::size_t webhooks_waiting() const { return waiting_.load(std::memory_order_relaxed); }

private:
    struct Transfer;
    struct Order {
        HttpReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
        HttpCall call;
        bool cancels = false;
    };
    using Address = std::pair<HttpReceiver*, std::uint64_t>;  // whose call

    std::size_t take_orders();
    std::size_t begin_calls();
    std::size_t end_calls();
    void begin(Transfer& transfer);
    void take_handle(Transfer& transfer);
    void give_handle(Transfer& transfer);
    static void set_request(Transfer& transfer, std::int64_t left_ms);
    static void set_callbacks(Transfer& transfer);
    void end(Transfer& transfer, int code);
    bool go_on_elsewhere(Transfer& transfer);
    void answer(Transfer& transfer);
    void forget(Transfer& transfer);
    void note_lookup_left(const Transfer& transfer);

    const core::Clock& clock_;
    const AddressRules rules_;
    CurlLoop loop_;
    std::vector<void*> idle_;  // CURL: used again, what they cost to make is more than to clear
    LookupsLeft lookups_left_;
    // Answers may outlive this.
    const std::shared_ptr<core::ByteShare> answers_;
    core::TaskQueue<Order> orders_{kCallsWaitingMax};
    CallGroups groups_;
    std::map<std::uint64_t, std::unique_ptr<Transfer>> transfers_;  // by number
    std::map<Address, std::uint64_t> numbers_;
    std::uint64_t last_number_ = 0;
    std::atomic<std::size_t> under_way_{0};
    std::atomic<std::size_t> waiting_{0};
};

}  // namespace millrace::courier
