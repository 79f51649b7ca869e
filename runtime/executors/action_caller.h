// What: calls actions by their names: finds the action, fills its templates from the input, makes
//       the HTTP call or runs the command, and says what came back as JSON.
// Threads: ask() and cancel() any; receive() the courier's, ended() the runner's.
// Lifetime: borrows the ports; outlives their threads. Receivers outlive it.
// Limits: those of the ports; kActionAnswerBytesMax of what comes back.
// Failure: an answer with a code: NOT_FOUND, INVALID (a template that can not be filled), DISABLED,
//          BUSY, FAILED (an answer that is none of 2xx, an exit code), or the call's own fault.
#pragma once

#include "core/clock.h"
#include "runtime/courier/http_port.h"
#include "runtime/delivery/outside_port.h"
#include "runtime/executors/command_port.h"
#include "runtime/executors/webhook_call.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/secret_mask.h"
#include "runtime/registry/secret_names.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace millrace::runtime {

inline constexpr std::size_t kActionAnswerBytesMax = 1u << 20;

// The calls that an action's input makes; pure functions. `now_us` is signed, where it is signed.
core::Result<courier::HttpCall> make_action_call(const Action& action, const OutsideAsk& ask,
                                                 std::int64_t now_us,
                                                 const FindSecret& find_secret);
core::Result<CommandJob> make_action_job(const Action& action, const OutsideAsk& ask,
                                         const FindSecret& find_secret);
OutsideAnswer judge_action(const courier::HttpAnswer& answer);
OutsideAnswer judge_action(const CommandEnd& end);

class ActionCaller final : public OutsidePort,
                           public courier::HttpReceiver,
                           public CommandReceiver {
public:
    struct Deps {
        const core::Clock* clock = nullptr;
        courier::HttpPort* http = nullptr;  // null: DISABLED
        CommandPort* commands = nullptr;    // likewise
        bool commands_enabled = true;
        std::function<RegistrySnapshotRef()> registry;
    };
    explicit ActionCaller(Deps deps) : deps_(std::move(deps)) {}

    bool ask(OutsideReceiver& receiver, std::uint64_t ticket, OutsideAsk&& ask) override;
    void cancel(OutsideReceiver& receiver, std::uint64_t ticket) override;

    void receive(std::uint64_t ticket, courier::HttpAnswer&& answer) override;
    void ended(std::uint64_t ticket, CommandEnd&& end) override;

private:
    struct Pending {
        OutsideReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
        bool command = false;
        HiddenTexts hidden;  // in what it says of a failure
    };
    using Asker = std::pair<OutsideReceiver*, std::uint64_t>;

    ActionRef find(const RegistrySnapshot& registry, const OutsideAsk& ask);
    void answer(std::uint64_t number, OutsideAnswer&& answer);

    const Deps deps_;
    std::mutex mutex_;
    NumberedTable<Action> seen_;
    std::map<std::pair<std::uint32_t, std::string>, ActionRef, std::less<>> by_id_;
    SecretNames secrets_;
    SecretMask mask_;
    std::unordered_map<std::uint64_t, Pending> pending_;  // by the number of its call
    std::map<Asker, std::uint64_t> numbers_;
    std::uint64_t last_number_ = 0;
};

}  // namespace millrace::runtime
