// What is registered is changed in a tenant's home partition, and is told when every partition that
// has an owner goes by it (runtime/crossing/registry_follower.h).
#include "runtime/node/key_ways.h"

#include <string>
#include <utility>

namespace millrace::runtime::node {
namespace {

// Whoever owns nothing yet comes to what there is before it lets anything run.
void followed(KeyFront& key, Passage& passage, const Gathering& whole, const KeyThen& then) {
    std::string behind;
    for (const auto& part : whole.parts) {
        const bool none = part->state == Part::State::kNotTaken &&
                          key.routing().targets[part->partition].where == Target::Where::kNowhere;
        if (part->good() || none) continue;
        behind += (behind.empty() ? "" : ", ") + std::to_string(part->partition);
    }
    if (!behind.empty()) {
        return key.desk().answer(
            passage,
            core::Error(core::ErrorCode::kUnavailable,
                        "this was taken and is in force in partition " +
                            std::to_string(passage.partition) + "; it is not yet in " + behind +
                            ", and will be when they can be reached: look before you "
                            "repeat it"));
    }
    then(key, passage);
}

}  // namespace

void go_and_change(KeyFront& key, Passage& passage, std::size_t home) {
    passage.follows = true;
    key.desk().pass_to(passage, home, passage.who->principal);
}

void KeyFront::follow_up(Passage& passage) {
    follow_then(*this, passage, [](KeyFront& key, Passage& waits) {
        waits.respond();
        key.desk().passed(waits);
    });
}

void follow_then(KeyFront& key, Passage& passage, KeyThen then) {
    auto whole = key.gathering_of_own(passage.id(), FrontLimits::kFollowNs);
    whole->later_where_busy = true;
    const std::string target = "/cluster/follow?home=" + std::to_string(passage.partition);
    for (std::size_t p = 0; p < key.routing().targets.size(); ++p) {
        if (p != passage.partition) key.add_part(*whole, p, target);
    }
    key.gather(std::move(whole),
               [then = std::move(then)](KeyFront& front, Passage& waits, const Gathering& over) {
                   followed(front, waits, over, then);
               });
}

// ---- a tenant that a partition has not heard of

void KeyFront::make_known(std::size_t partition, std::uint64_t passage, Gathering::WhenOver then) {
    auto whole = gathering_of_own(passage, FrontLimits::kHoldNs);
    whole->when_over = std::move(then);
    add_part(*whole, partition, "/cluster/follow?home=0");
    gatherer_.start(std::move(whole));
}

void KeyFront::make_known(Passage& passage) {
    make_known(passage.partition, passage.id(), [this](const Gathering& over) {
        if (Passage* waits = desk_.passage_of(over.waits)) desk_.hold(*waits);
    });
}

void KeyFront::tenant_unknown(Gathering& whole, Part& part) {
    make_known(part.partition, whole.waits,
               [this, id = whole.id](const Gathering& /*over*/) { gatherer_.try_again(id); });
}

}  // namespace millrace::runtime::node
