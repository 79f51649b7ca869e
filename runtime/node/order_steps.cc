#include "runtime/node/order_steps.h"

#include "io/error_body.h"
#include "runtime/node/forward_head.h"

#include <utility>

namespace millrace::runtime::node {
namespace {

bool is_lacking(const Part& part) {
    return part.state == Part::State::kAnswered && part.status == 404;
}

void gather_if_all_agree(KeyFront& key, std::unique_ptr<Gathering> whole, Lacking lacking,
                         KeyFront::Tell then) {
    key.gather(std::move(whole), [lacking, then = std::move(then)](KeyFront& front, Passage& waits,
                                                                   const Gathering& over) {
        if (const Part* part = refusing(over, lacking)) {
            Refusal refusal = refusal_of(*part);
            if (part->state != Part::State::kAnswered)
                refusal.add(": nothing was done; come again");
            return tell(front, waits, refusal);
        }
        then(front, waits, over);
    });
}

std::unique_ptr<Gathering> to_all(KeyFront& key, const Passage& passage, const std::string& order) {
    auto whole = key.gathering_of_all(passage);
    whole->repeatable = true;
    whole->answer_ns = kLookNs;
    for (const auto& part : whole->parts) part->order = order;
    return whole;
}

}  // namespace

void look_everywhere(KeyFront& key, const Passage& passage, const LookRules& rules,
                     KeyFront::Tell then) {
    api::PartOrder order;
    order.looks = true;
    order.id = rules.id;
    order.at_us = rules.at_us;
    order.parts = key.routing().targets.size();
    gather_if_all_agree(key, to_all(key, passage, api::part_order_text(order)), rules.lacking,
                        std::move(then));
}

void look_by(KeyFront& key, const Passage& passage, std::vector<api::PartOrder> orders,
             KeyFront::Tell then) {
    for (api::PartOrder& order : orders) order.looks = true;
    auto whole = doing(key, passage, each(std::move(orders)), Twice::kIsOnce);
    whole->hold_until_ns = key.now_ns() + FrontLimits::kHoldNs;
    gather_if_all_agree(key, std::move(whole), Lacking::kRefuses, std::move(then));
}

void ask_everywhere(KeyFront& key, const Passage& passage, Lacking lacking, KeyFront::Tell then) {
    gather_if_all_agree(key, to_all(key, passage, {}), lacking, std::move(then));
}

std::unique_ptr<Gathering> doing(KeyFront& key, const Passage& passage,
                                 std::span<const PartDoing> parts, Twice twice) {
    auto whole = key.gathering_of(passage);
    whole->repeatable = twice == Twice::kIsOnce;
    if (whole->repeatable) whole->hold_until_ns = key.now_ns() + kDoNs;
    for (const PartDoing& one : parts) {
        Part& part = key.add_part(*whole, one.partition, passage.target);
        part.body = passage.body;
        part.order = api::part_order_text(one.order);
    }
    return whole;
}

std::vector<PartDoing> each(std::vector<api::PartOrder>&& orders) {
    std::vector<PartDoing> out;
    for (std::size_t p = 0; p < orders.size(); ++p) out.push_back({p, std::move(orders[p])});
    return out;
}

std::unique_ptr<Gathering> next_after(KeyFront& key, const Gathering& whole, io::Method method) {
    auto next = std::make_unique<Gathering>(whole.waits);
    next->method = method;
    next->headers = whole.headers;
    next->principal = whole.principal;
    next->peer = whole.peer;
    next->hold_until_ns = key.now_ns() + kDoNs;
    next->answer_ns = FrontLimits::kGatherNs;
    return next;
}

std::vector<PartPage> answers_of(const Gathering& whole) {
    std::vector<PartPage> out;
    for (const auto& part : whole.parts) {
        if (part->good()) out.push_back({part->partition, part->text});
    }
    return out;
}

// Why it can not be done at all says more than who is away, and that more than who waits for them.
const Part* refusing(const Gathering& whole, Lacking lacking) {
    const Part* told = nullptr;
    const auto rank = [](const Part& part) {
        if (part.state != Part::State::kAnswered) return 1;
        return part.status == 503 ? 0 : 2;
    };
    for (const auto& part : whole.parts) {
        if (part->good() || (lacking == Lacking::kIsAnAnswer && is_lacking(*part))) continue;
        if (!told || rank(*part) > rank(*told)) told = part.get();
    }
    return told;
}

bool told_refusal(KeyFront& key, Passage& passage, const Gathering& whole, Lacking lacking) {
    const Part* const part = refusing(whole, lacking);
    if (!part) return false;
    if (part->state == Part::State::kAnswered)
        key.desk().answer_text(passage, part->status, part->content_type, part->text);
    else
        key.desk().answer(passage, silent_partition(part->partition));
    return true;
}

Refusal refusal_of(const Part& part) {
    if (part.state == Part::State::kAnswered) return {part.status, part.text};
    const std::string who = "partition " + std::to_string(part.partition);
    const bool nobody = part.state == Part::State::kNotTaken;
    return {503, io::error_body(core::Error(
                     core::ErrorCode::kUnavailable,
                     nobody ? "nobody owns " + who + " at the moment" : who + " did not answer"))};
}

void tell(KeyFront& key, Passage& passage, const Refusal& refusal) {
    tell_json(key, passage, refusal.status, refusal.body);
}

void tell_json(KeyFront& key, Passage& passage, int status, std::string_view body) {
    key.desk().answer_text(passage, status, "application/json", body);
}

}  // namespace millrace::runtime::node
