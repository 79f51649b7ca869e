// DELETE /v2/subscriptions/{id}: removed in its home, then in force everywhere; told with what
// waited for it in all of them. What a partition without an owner clears away later is not in that.
#include "runtime/node/order_steps.h"

#include <string>
#include <utility>

namespace millrace::runtime::node {
namespace {

void tell_removed(KeyFront& key, Passage& passage, std::size_t home, const std::string& at_home) {
    api::PartOrder order;
    order.looks = true;
    std::vector<PartDoing> others;
    for (std::size_t p = 0; p < key.routing().targets.size(); ++p) {
        const bool owned = key.routing().targets[p].where != Target::Where::kNowhere;
        if (p != home && owned) others.push_back({p, order});
    }
    key.gather(doing(key, passage, others, Twice::kIsOnce),
               [at_home](KeyFront& front, Passage& waits, const Gathering& over) {
                   tell_json(front, waits, 200, merge_removals(at_home, answers_of(over)));
               });
}

void removed_at_home(KeyFront& key, Passage& passage, const Gathering& over) {
    const Part& home = *over.parts.front();
    if (!home.good()) {
        if (home.state == Part::State::kUnknown) return key.desk().answer_maybe_taken(passage);
        return tell(key, passage, refusal_of(home));
    }
    passage.partition = home.partition;
    follow_then(key, passage, [at_home = home.text](KeyFront& front, Passage& waits) {
        tell_removed(front, waits, waits.partition, at_home);
    });
}

}  // namespace

void remove_subscription(KeyFront& key, Passage& passage, std::size_t home) {
    auto whole = key.gathering_of(passage);
    key.add_part(*whole, home, passage.target).body = passage.body;
    key.gather(std::move(whole), removed_at_home);
}

}  // namespace millrace::runtime::node
