#include "runtime/edge/grpc_acks.h"

#include "runtime/grpc/frames.h"
#include "store/log/durability_text.h"
#include "store/log/event_id.h"

#include <string>
#include <vector>

namespace millrace::runtime {

namespace {

// What became of each entry.
struct Entry {
    const IngestItem* item = nullptr;
    const core::Error* error = nullptr;
};

std::vector<Entry> entries_of(const IngestRequest& request, const core::Error& busy,
                              const grpc::PublishQueue::Batch& batch) {
    // Whatever is not said to be taken is not.
    std::vector<Entry> entries(batch.events, Entry{nullptr, &busy});
    const auto note = [&](std::uint32_t entry, const Entry& what) {
        if (entry < entries.size()) entries[entry] = what;
    };
    for (const IngestItem& item : request.items)
        note(item.entry, {&item, item.refused ? &busy : nullptr});
    for (const RejectedEntry& rejected : request.rejected)
        note(rejected.entry, {nullptr, &rejected.error});
    // What no line could be made of says more than the line that stands for it.
    for (const grpc::RefusedEvent& refused : batch.refused)
        note(refused.entry, {nullptr, &refused.error});
    return entries;
}

void append_outcome(std::string& ack, const Entry& entry, const store::Hasher& hasher) {
    grpc::OutcomeFields outcome;
    std::string made_id;
    outcome.error = entry.error;
    if (!entry.error && entry.item) {
        if (entry.item->event_id.empty())
            made_id = store::encode_event_id(hasher, entry.item->position);
        outcome.event_id = made_id.empty() ? entry.item->event_id : std::string_view(made_id);
        outcome.shard = entry.item->position.shard.value;
        outcome.offset = entry.item->position.offset.value;
        outcome.duplicate = entry.item->duplicate;
    }
    grpc::append_outcome(ack, outcome);
}

}  // namespace

void make_acks(const IngestRequest& request, const store::Hasher& hasher, const AckTerms& terms,
               grpc::PublishQueue::Batch& batch) {
    const core::Error busy = core::Error(core::ErrorCode::kRateLimited,
                                         "the identity index is catching up; send it again")
                                 .retry_after(terms.busy_seconds);
    const std::vector<Entry> entries = entries_of(request, busy, batch);
    const store::Durability told = request.told_durability();
    const bool replicated = terms.replicated && told == store::Durability::kFsync;
    const std::string_view durability = replicated ? "replicated" : store::durability_text(told);
    std::string ack;
    std::size_t next = 0;
    for (const std::uint32_t count : batch.counts) {
        ack.clear();
        grpc::append_ack_head(ack, batch.first_index + next, durability);
        for (std::uint32_t i = 0; i < count; ++i) append_outcome(ack, entries[next++], hasher);
        grpc::append_frame(batch.acks, ack);
    }
}

}  // namespace millrace::runtime
