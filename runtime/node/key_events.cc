// A body of events, each of which lives in the partition of its key: cut up, and the owners'
// answers put together.
#include "runtime/node/ingest_merge.h"
#include "runtime/node/key_ways.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

// What each of some entries' partitions is, for people.
std::string partitions_text(const SplitPlan& plan) {
    constexpr std::size_t kShown = 10;
    std::string out;
    for (std::size_t i = 0; i < std::min(plan.entries.size(), kShown); ++i) {
        out += (i == 0 ? "" : ", ") + std::string("entry ") +
               std::to_string(plan.entries[i].number) + " in " +
               std::to_string(plan.entries[i].partition);
    }
    if (plan.entries.size() > kShown) out += ", ...";
    return out;
}

core::Error not_all_or_none(const SplitPlan& plan) {
    return core::Error(core::ErrorCode::kNotSupported,
                       "atomic: events that live in several partitions can not be taken all or "
                       "none; give them one partitionKey, or send them without it (" +
                           partitions_text(plan) + ")")
        .in("atomic");
}

void tell_taken(KeyFront& key, Passage& passage, const Gathering& whole, const SplitPlan& plan) {
    std::vector<PartAnswer> answers;
    for (const auto& part : whole.parts) {
        PartAnswer& one = answers.emplace_back();
        one.partition = part->partition;
        one.status = part->status;
        one.body = part->text;
        one.entries = part->entries;
        one.fate = part->state == Part::State::kAnswered   ? PartAnswer::Fate::kAnswered
                   : part->state == Part::State::kNotTaken ? PartAnswer::Fate::kNotTaken
                                                           : PartAnswer::Fate::kUnknown;
        if (one.fate == PartAnswer::Fate::kUnknown)
            key.desk().counts().unknown.fetch_add(1, std::memory_order_relaxed);
    }
    io::BodyWriter body = key.desk().body_writer();
    const MergedReply reply = merge_ingest(plan, key.ids(), answers, body);
    const std::string seconds = std::to_string(reply.retry_after_seconds);
    const std::array<io::HeaderField, 1> retry{{{"Retry-After", seconds}}};
    io::ResponseHead head{.status = reply.status};
    if (reply.retry_after_seconds >= 0) head.headers = retry;
    passage.server().respond(passage.token, head, std::move(body));
    key.desk().finish(passage);
}

void split_events(KeyFront& key, Passage& passage, SplitPlan&& read) {
    auto whole = key.gathering_of(passage);
    whole->repeatable = false;
    whole->answer_ns = FrontLimits::kEventsNs;
    const auto plan = std::make_shared<const SplitPlan>(std::move(read));
    set_value(whole->headers, "Content-Type", plan->content_type);
    const std::size_t partitions = key.routing().targets.size();
    std::vector<std::unique_ptr<io::BodyWriter>> bodies(partitions);
    std::vector<Part*> parts(partitions);
    for (std::uint32_t i = 0; i < plan->entries.size(); ++i) {
        const SplitEntry& entry = plan->entries[i];
        const bool first = !bodies[entry.partition];
        if (first) {
            bodies[entry.partition] = std::make_unique<io::BodyWriter>(key.desk().body_writer());
            parts[entry.partition] = &key.add_part(*whole, entry.partition, passage.target);
        }
        bodies[entry.partition]->append(first ? '[' : ',');
        append_entry(*bodies[entry.partition], entry, key.ids());
        parts[entry.partition]->entries.push_back(i);
    }
    for (std::size_t p = 0; p < parts.size(); ++p) {
        if (!parts[p]) continue;
        bodies[p]->append(']');
        parts[p]->body = bodies[p]->take();
    }
    key.gather(std::move(whole), [plan](KeyFront& front, Passage& waits, const Gathering& over) {
        tell_taken(front, waits, over, *plan);
    });
}

}  // namespace

void take_events(KeyFront& key, Passage& passage, std::size_t home) {
    const std::string_view type = value_of(passage.headers, "Content-Type");
    std::vector<io::HeaderField> headers;
    for (const auto& [name, value] : passage.headers) headers.push_back({name, value});
    const auto form = body_form(type, headers);
    // What is refused whatever stands in it is refused by whoever knows the words.
    if (!form || !passage.who->scopes.has(identity::Scope::kEventsWrite)) {
        passage.decided = home;
        return key.desk().pass_to(passage, home, passage.who->principal);
    }
    const SplitRules rules{.tenant = passage.who->tenant,
                           .hash_seed = key.routing().hash_seed,
                           .partitions = key.routing().targets.size(),
                           .event_bytes_max = key.limits().event_bytes_max,
                           .entries_max = key.limits().entries_max};
    const std::string_view text = passage.body_view();
    auto plan = key.split().read(
        {.text = text, .form = *form, .content_type = type, .headers = headers}, rules, key.ids());
    if (!plan) return key.desk().answer(passage, plan.error());
    const auto only = plan->only_partition();
    if (plan->entries.empty() && plan->refused.empty()) {
        passage.decided = home;
    } else if (only && plan->as_came) {
        passage.decided = only;
    } else if (only && plan->single && plan->refused.empty()) {
        io::BodyWriter body = key.desk().body_writer();
        append_entry(body, plan->entries.front(), key.ids());
        passage.body = body.take();
        set_value(passage.headers, "Content-Type", plan->content_type);
        passage.decided = only;
    }
    if (passage.decided)
        return key.desk().pass_to(passage, *passage.decided, passage.who->principal);
    if (is_set(parameter_of(passage.target, "atomic"))) {
        if (!only && !plan->entries.empty())
            return key.desk().answer(passage, not_all_or_none(*plan));
        if (!plan->refused.empty()) plan->entries.clear();
    }
    split_events(key, passage, std::move(*plan));
}

}  // namespace millrace::runtime::node
