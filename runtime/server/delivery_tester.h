// What: one attempt that somebody asked for, to see whether it arrives: made like any other, kept
//       nowhere, counted by no breaker.
// Threads: test() the conductor's, receive() the courier's, ended() the runner's; `done` is called
//       through `post`.
// Lifetime: outlives their threads.
// Limits: kTestsMax under way. Overflow policy: refuse. A transform has kTransformMsMax.
// Failure: told as the outcome of the attempt.
#pragma once

#include "core/clock.h"
#include "core/event_parser.h"
#include "core/random.h"
#include "runtime/api/services.h"
#include "runtime/courier/http_port.h"
#include "runtime/delivery/attempt_result.h"
#include "runtime/executors/command_port.h"
#include "runtime/executors/webhook_call.h"
#include "runtime/executors/webhook_transform.h"
#include "runtime/registry/secret_mask.h"
#include "runtime/registry/secret_names.h"
#include "store/rows/kv_store.h"

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>

namespace millrace::runtime {

class DeliveryTester final : public courier::HttpReceiver, public CommandReceiver {
public:
    static constexpr std::size_t kTestsMax = 64;
    using Done = std::function<void(api::DeliveryTest&&)>;

    struct Deps {
        const core::Clock* clock = nullptr;
        core::Random* random = nullptr;
        courier::HttpPort* http = nullptr;
        CommandPort* commands = nullptr;
        store::KvStore* kv = nullptr;              // what a transform reads
        LuaWatchdogSlot* watchdog_slot = nullptr;  // likewise
        std::function<RegistrySnapshotRef()> registry;
        std::function<void(std::function<void()>)> post;
    };
    explicit DeliveryTester(Deps deps)
        : deps_(std::move(deps)), transform_(deps_.watchdog_slot, 0x7e57) {}

    void test(const SubscriptionRef& subscription, const std::string& event, Done done);
    void receive(std::uint64_t ticket, courier::HttpAnswer&& answer) override;
    void ended(std::uint64_t ticket, CommandEnd&& end) override;

private:
    struct Test {
        Done done;
        std::string delivery_id;
        std::int64_t began_ns = 0;
        HiddenTexts hidden;
    };

    // Others wait for the conductor.
    static constexpr std::int64_t kTransformMsMax = 2'000;

    // True: the attempt has ended with its transform, as `told` says.
    bool reshape(const RegistrySnapshot& registry, OutgoingAttempt& attempt,
                 const FindSecret& find_secret, Reshaped& out, AttemptResult& told);
    bool hand_over(const OutgoingAttempt& attempt, const FindSecret& find_secret,
                   std::uint64_t ticket, core::Status& status);
    void tell(std::uint64_t ticket, const AttemptResult& result);

    const Deps deps_;
    core::EventParser parser_;
    SecretNames secrets_;
    SecretMask mask_;
    WebhookTransform transform_;
    std::uint64_t last_ticket_ = 0;
    std::mutex mutex_;
    std::unordered_map<std::uint64_t, Test> tests_;  // by ticket
};

}  // namespace millrace::runtime
