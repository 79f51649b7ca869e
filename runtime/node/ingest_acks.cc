#include "runtime/node/ingest_acks.h"

#include "core/json_dom.h"
#include "runtime/grpc/frames.h"
#include "runtime/node/told_error.h"

#include <string>
#include <vector>

namespace millrace::runtime::node {
namespace {

struct Entry {
    bool refused = false;
    core::Error error;
    core::JsonElement event;
    bool told = false;
};

grpc::CallStatus not_known() {
    return {grpc::Code::kUnknown,
            "whether the events that are not acknowledged were taken is not known: send them again "
            "with the same event_id"};
}

// False: it does not add up.
bool read_entries(const core::JsonElement& root, std::vector<Entry>& entries) {
    core::JsonElement member;
    core::JsonArray rejected, events;
    if (!root.find("rejected", member) || !member.get(rejected)) return false;
    for (const core::JsonElement one : rejected) {
        core::JsonElement index, error;
        std::uint64_t at = 0;
        if (!one.find("index", index) || !index.get(at) || at >= entries.size() ||
            !one.find("error", error))
            return false;
        entries[at].refused = entries[at].told = true;
        entries[at].error = read_told_error(error);
    }
    std::size_t at = 0;
    if (root.find("events", member) && member.get(events)) {
        for (const core::JsonElement one : events) {
            while (at < entries.size() && entries[at].refused) ++at;
            if (at == entries.size()) return false;
            entries[at].event = one;
            entries[at++].told = true;
        }
    }
    for (const Entry& entry : entries) {
        if (!entry.told) return false;
    }
    return true;
}

void append_outcome_of(std::string& ack, const Entry& entry) {
    grpc::OutcomeFields outcome;
    if (entry.refused) {
        outcome.error = &entry.error;
        return grpc::append_outcome(ack, outcome);
    }
    core::JsonElement member;
    std::uint64_t shard = 0;
    if (entry.event.find("eventId", member)) member.get(outcome.event_id);
    if (entry.event.find("shard", member)) member.get(shard);
    if (entry.event.find("offset", member)) member.get(outcome.offset);
    if (entry.event.find("duplicate", member)) member.get(outcome.duplicate);
    outcome.shard = static_cast<std::uint32_t>(shard);
    grpc::append_outcome(ack, outcome);
}

// What concerns the caller or the cluster ends the call; the rest concerns what was sent.
bool ends_call(core::ErrorCode code) {
    return code == core::ErrorCode::kUnauthorized || code == core::ErrorCode::kForbidden ||
           code == core::ErrorCode::kUnavailable || code == core::ErrorCode::kInternal;
}

}  // namespace

std::optional<grpc::CallStatus> make_acks_of(int status, std::string_view body,
                                             grpc::PublishQueue::Batch& batch) {
    core::JsonDom dom;
    auto root = dom.parse(body);
    std::vector<Entry> entries(batch.events);
    core::JsonElement member;
    if (!root || !root->is_object()) return not_known();
    if (root->find("rejected", member)) {
        if (!read_entries(*root, entries)) return not_known();
    } else {
        if (says_maybe_taken(body)) return not_known();
        const core::Error error = read_error_body(body);
        if (status < 400 || ends_call(error.code)) return grpc::status_of(error);
        for (Entry& entry : entries) {
            entry.refused = true;
            entry.error = error;
        }
    }
    // What no line could be made of says more than the line that stands for it.
    for (const grpc::RefusedEvent& refused : batch.refused) {
        entries[refused.entry].refused = true;
        entries[refused.entry].error = refused.error;
    }
    std::string_view durability;
    if (root->find("durability", member)) member.get(durability);
    std::string ack;
    std::size_t next = 0;
    for (const std::uint32_t count : batch.counts) {
        ack.clear();
        grpc::append_ack_head(ack, batch.first_index + next, durability);
        for (std::uint32_t i = 0; i < count; ++i) append_outcome_of(ack, entries[next++]);
        grpc::append_frame(batch.acks, ack);
    }
    return {};
}

}  // namespace millrace::runtime::node
