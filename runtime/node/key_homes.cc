// What is registered at home and run in each partition: runs of workflows, their keys, links.
#include "runtime/event/partition_of.h"
#include "runtime/node/link_merge.h"
#include "runtime/node/order_steps.h"
#include "runtime/node/run_place.h"

#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

core::Error not_in_all(const std::string& done, const std::string& left) {
    return core::Error(core::ErrorCode::kUnavailable,
                       "this was done in " + (done.empty() ? "no partition" : "partition " + done) +
                           " and, as far as is known, not in " + left + "; repeat it")
        .retry_after(1);
}

void tell_each(KeyFront& key, Passage& passage, const Gathering& whole, std::size_t home) {
    std::string done, left;
    for (const auto& part : whole.parts) {
        std::string& into = part->good() ? done : left;
        into += (into.empty() ? "" : ", ") + std::to_string(part->partition);
    }
    // Whoever refuses it refuses it everywhere.
    const Part& own = *whole.parts[home];
    if (own.state == Part::State::kAnswered && (left.empty() || done.empty()))
        return key.desk().answer_text(passage, own.status, own.content_type, own.text);
    key.desk().answer(passage, not_in_all(done, left));
}

void tell_links(KeyFront& key, Passage& passage, const Gathering& whole, std::size_t home) {
    // Whoever has not heard of it yet has nothing to tell of it.
    if (told_refusal(key, passage, whole, Lacking::kIsAnAnswer)) return;
    const Part& own = *whole.parts[home];
    if (!own.good()) return key.desk().answer_text(passage, own.status, own.content_type, own.text);
    const std::vector<PartPage> parts = answers_of(whole);
    auto merged = passage.path == "/v2/links" ? merge_links(parts, home) : merge_link(parts, home);
    if (!merged) return key.desk().answer(passage, merged.error());
    key.desk().answer_text(passage, 200, "application/json", *merged);
}

using TellOfHome = void (*)(KeyFront& key, Passage& passage, const Gathering& whole,
                            std::size_t home);

// The home's is the answer that the others' are put beside: each is there, by its number.
void ask_all_of_home(KeyFront& key, Passage& passage, std::size_t home, TellOfHome tell) {
    key.gather(key.gathering_of_all(passage),
               [tell, home](KeyFront& front, Passage& waits, const Gathering& over) {
                   tell(front, waits, over, home);
               });
}

}  // namespace

// Where its id says: so a repeat of it meets it, and events with that id as their key reach it.
void begin_run(KeyFront& key, Passage& passage, std::size_t home) {
    const std::string_view body = passage.body_view();
    auto placed = place_run(body, key.ids());
    if (!placed) return go_home(key, passage, home);
    if (placed->body) {
        io::BodyWriter writer = key.desk().body_writer();
        writer.append(*placed->body);
        passage.body = writer.take();
    }
    const Routing& routing = key.routing();
    passage.decided = partition_of_key(passage.who->tenant, placed->run_id, routing.hash_seed,
                                       routing.targets.size());
    key.desk().pass_to(passage, *passage.decided, passage.who->principal);
}

void ask_each(KeyFront& key, Passage& passage, std::size_t home) {
    ask_all_of_home(key, passage, home, tell_each);
}

void ask_links(KeyFront& key, Passage& passage, std::size_t home) {
    ask_all_of_home(key, passage, home, tell_links);
}

}  // namespace millrace::runtime::node
