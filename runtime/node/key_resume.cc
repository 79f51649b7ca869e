// POST /v2/subscriptions/{id}/resume: from where it is, a change like others; from another place,
// first each partition goes to its own, then its home lets it run everywhere.
#include "runtime/identity/trusted_front.h"
#include "runtime/node/order_steps.h"

#include <string>
#include <utility>

namespace millrace::runtime::node {
namespace {

std::vector<api::PartOrder> orders_of(const ResumeAsked& asked, std::size_t partitions,
                                      std::int64_t at_us) {
    std::vector<api::PartOrder> orders(partitions);
    for (std::size_t p = 0; p < partitions; ++p) {
        orders[p].id = asked.id;
        orders[p].at_us = at_us;
        if (!asked.places.empty()) orders[p].from = asked.places[p];
    }
    return orders;
}

// The others are where they were told to go: now its home, and with it all of them.
void resume_at_home(KeyFront& key, Passage& passage, std::size_t home, api::PartOrder order,
                    const Gathering& others) {
    if (const Part* refused = refusing(others)) {
        Refusal refusal = refusal_of(*refused);
        refusal.add(
            "; other partitions are at the new place already, and it is not resumed: say "
            "it again");
        return tell(key, passage, refusal);
    }
    order.total += begun_in(answers_of(others));
    order.at_home = true;
    set_value(passage.headers, identity::kFrontOrderHeader, api::part_order_text(order));
    passage.follows = true;
    passage.decided = home;
    key.desk().pass_to(passage, home, passage.who->principal);
}

}  // namespace

void resume_everywhere(KeyFront& key, Passage& passage, std::size_t home) {
    const std::size_t partitions = key.routing().targets.size();
    const auto asked = read_resume_asked(passage.body_view(), partitions);
    if (!asked) return key.desk().answer(passage, asked.error());
    if (!asked->elsewhere) return go_and_change(key, passage, home);
    auto orders = orders_of(*asked, partitions, key.desk().wall_us());
    look_by(key, passage, orders,
            [orders, home](KeyFront& front, Passage& waits, const Gathering&) mutable {
                api::PartOrder own = orders[home];
                std::vector<PartDoing> others = each(std::move(orders));
                std::erase_if(others,
                              [home](const PartDoing& one) { return one.partition == home; });
                front.gather(doing(front, waits, others, Twice::kIsOnce),
                             [home, own](KeyFront& asks, Passage& client, const Gathering& over) {
                                 resume_at_home(asks, client, home, own, over);
                             });
            });
}

}  // namespace millrace::runtime::node
