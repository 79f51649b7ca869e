// Dead letters of all partitions at once: delivered again, rehearsed, marked.
#include "core/json_writer.h"
#include "runtime/node/order_steps.h"

#include <algorithm>
#include <string>
#include <utility>

namespace millrace::runtime::node {
namespace {

// ---- delivered again

// What is on its way can not be called back.
void tell_redriven(KeyFront& key, Passage& passage, const Gathering& whole,
                   const RedrivePlan& plan) {
    if (const Part* refused = refusing(whole)) {
        std::vector<std::size_t> done, unknown;
        for (const auto& part : whole.parts) {
            if (part->good()) done.push_back(part->partition);
            if (part->state == Part::State::kUnknown) unknown.push_back(part->partition);
        }
        Refusal refusal = refusal_of(*refused);
        refusal.add(done.empty() ? "; no other partition has begun"
                                 : "; those of " + partitions_text(done) + " are on their way");
        if (!unknown.empty())
            refusal.add("; whether those of " + partitions_text(unknown) +
                        " are is not known: look before you repeat it");
        return tell(key, passage, refusal);
    }
    std::string body;
    core::JsonWriter json(body);
    json.begin_object().field("success", true).field("accepted", plan.count);
    if (plan.left_out != 0) json.field("leftOut", plan.left_out);
    json.end_object();
    tell_json(key, passage, 202, body);
}

void redrive_everywhere(KeyFront& key, Passage& passage, const RedriveAsked& asked,
                        std::size_t home, const Gathering& looked) {
    auto plan = plan_redrive(asked, answers_of(looked));
    if (!plan) return key.desk().answer(passage, plan.error());
    if (asked.dry_run) return tell_json(key, passage, 200, plan->would_be);
    // The home's audit log tells of it, whether any of them are there or not.
    std::vector<PartDoing> parts;
    for (std::size_t p = 0; p < plan->orders.size(); ++p) {
        if (p == home || plan->counts[p] != 0) parts.push_back({p, std::move(plan->orders[p])});
    }
    key.gather(doing(key, passage, parts, Twice::kIsTwice),
               [plan = std::move(*plan)](KeyFront& front, Passage& waits, const Gathering& over) {
                   tell_redriven(front, waits, over, plan);
               });
}

// ---- marked

void tell_marked(KeyFront& key, Passage& passage, const Gathering& whole) {
    if (const Part* refused = refusing(whole)) {
        Refusal refusal = refusal_of(*refused);
        refusal.add("; other partitions have the mark by now: set it again");
        return tell(key, passage, refusal);
    }
    tell_json(key, passage, 200, whole.parts.front()->text);
}

// A state is of all letters of a group, and of those that come: every partition keeps it.
void mark_everywhere(KeyFront& key, Passage& passage, const Gathering& looked) {
    if (answers_of(looked).empty()) return tell(key, passage, refusal_of(*looked.parts.front()));
    api::PartOrder order;
    order.at_us = key.desk().wall_us();
    std::vector<api::PartOrder> orders(key.routing().targets.size(), order);
    key.gather(doing(key, passage, each(std::move(orders)), Twice::kIsOnce), tell_marked);
}

}  // namespace

void redrive_letters(KeyFront& key, Passage& passage, std::size_t home) {
    const RedriveAsked asked = read_redrive_asked(passage.body_view());
    look_everywhere(key, passage, {},
                    [asked, home](KeyFront& front, Passage& waits, const Gathering& over) {
                        redrive_everywhere(front, waits, asked, home, over);
                    });
}

void rehearse_letters(KeyFront& key, Passage& passage, std::size_t /*home*/) {
    const std::size_t sample = read_sample(passage.body_view());
    ask_everywhere(key, passage, Lacking::kRefuses,
                   [sample](KeyFront& front, Passage& waits, const Gathering& over) {
                       auto merged = merge_rehearsals(answers_of(over), sample);
                       if (!merged) return front.desk().answer(waits, merged.error());
                       tell_json(front, waits, 200, *merged);
                   });
}

void mark_letters(KeyFront& key, Passage& passage, std::size_t /*home*/) {
    look_everywhere(key, passage, {.lacking = Lacking::kIsAnAnswer}, mark_everywhere);
}

}  // namespace millrace::runtime::node
