// What: the steps that orders to all partitions have in common (runtime/node/order_plan.h decides):
//       all are asked to look, and only where each has an owner and agrees, all are told to do it;
//       and which one's refusal is told, of orders and of what is only read.
// Threads: the front's. Lifetime: of the front's gatherings.
// Limits: FrontLimits; kDoNs for an owner where doing it twice is doing it once: a node may die in
//         the middle.
// Failure: what a partition refuses is the client's answer, with words for what the others did.
#pragma once

#include "runtime/api/part_order.h"
#include "runtime/node/key_ways.h"
#include "runtime/node/order_plan.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

inline constexpr std::int64_t kDoNs = 20'000'000'000;
// What is counted may be a whole log.
inline constexpr std::int64_t kLookNs = 120'000'000'000;

// A 404 says that this partition has none of it.
enum class Lacking : std::uint8_t { kRefuses, kIsAnAnswer };

struct LookRules {
    std::string id = {};  // of what would be begun
    std::int64_t at_us = 0;
    Lacking lacking = Lacking::kRefuses;
};
// All are asked, with the client's own request; `then` when all agree. Else the client has been
// told, and nothing has been done.
void look_everywhere(KeyFront& key, const Passage& passage, const LookRules& rules,
                     KeyFront::Tell then);
// The same where each looks at something else.
void look_by(KeyFront& key, const Passage& passage, std::vector<api::PartOrder> orders,
             KeyFront::Tell then);

// The same for what is only read: no word of an order is beside it.
void ask_everywhere(KeyFront& key, const Passage& passage, Lacking lacking, KeyFront::Tell then);

// The client's request with each partition's order beside it, without those that get none.
struct PartDoing {
    std::size_t partition = 0;
    api::PartOrder order;
};
enum class Twice : std::uint8_t { kIsOnce, kIsTwice };
std::unique_ptr<Gathering> doing(KeyFront& key, const Passage& passage,
                                 std::span<const PartDoing> parts, Twice twice);
// Every partition's, in the order of their numbers.
std::vector<PartDoing> each(std::vector<api::PartOrder>&& orders);

// A further request for whoever waits for that one, to none yet.
std::unique_ptr<Gathering> next_after(KeyFront& key, const Gathering& whole, io::Method method);

std::vector<PartPage> answers_of(const Gathering& whole);
// The first that has not done what it was told; null: all have.
const Part* refusing(const Gathering& whole, Lacking lacking = Lacking::kRefuses);

// Of what is not told without all of them: where one refuses, its answer is the client's; true: it
// has been told.
bool told_refusal(KeyFront& key, Passage& passage, const Gathering& whole,
                  Lacking lacking = Lacking::kRefuses);

// Why a partition did not do it; words say what became of the rest.
struct Refusal {
    int status = 503;
    std::string body;

    void add(std::string_view words) { body = refusal_with(body, words); }
};
Refusal refusal_of(const Part& part);
void tell(KeyFront& key, Passage& passage, const Refusal& refusal);
void tell_json(KeyFront& key, Passage& passage, int status, std::string_view body);

}  // namespace millrace::runtime::node
