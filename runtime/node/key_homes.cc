// What is registered at home and run in each partition: runs of workflows, their keys, links.
#include "runtime/event/partition_of.h"
#include "runtime/node/key_ways.h"
#include "runtime/node/link_merge.h"
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
    const Part* own = nullptr;
    for (const auto& part : whole.parts) {
        if (part->partition == home) own = part.get();
        std::string& into = part->good() ? done : left;
        into += (into.empty() ? "" : ", ") + std::to_string(part->partition);
    }
    // Whoever refuses it refuses it everywhere.
    if (own && own->state == Part::State::kAnswered && (left.empty() || done.empty()))
        return key.desk().answer_text(passage, own->status, own->content_type, own->text);
    key.desk().answer(passage, not_in_all(done, left));
}

void tell_links(KeyFront& key, Passage& passage, const Gathering& whole, std::size_t home) {
    std::vector<PartPage> parts;
    for (const auto& part : whole.parts) {
        if (part->state != Part::State::kAnswered)
            return key.desk().answer(passage, silent_partition(part->partition));
        if (part->good())
            parts.push_back({part->partition, part->text});
        else if (part->partition == home)
            return key.desk().answer_text(passage, part->status, part->content_type, part->text);
    }
    auto merged = passage.path == "/v2/links" ? merge_links(parts, home) : merge_link(parts, home);
    if (!merged) return key.desk().answer(passage, merged.error());
    key.desk().answer_text(passage, 200, "application/json", *merged);
}

using TellOfHome = void (*)(KeyFront& key, Passage& passage, const Gathering& whole,
                            std::size_t home);

// The home's is the answer that the others' are put beside.
void ask_all_of_home(KeyFront& key, Passage& passage, std::size_t home, TellOfHome tell) {
    auto whole = key.gathering_of(passage);
    for (std::size_t p = 0; p < key.routing().targets.size(); ++p)
        key.add_part(*whole, p, passage.target).body = passage.body;
    key.gather(std::move(whole),
               [tell, home](KeyFront& front, Passage& waits, const Gathering& over) {
                   tell(front, waits, over, home);
               });
}

}  // namespace

// Where its id says: so a repeat of it meets it, and events with that id as their key reach it.
void begin_run(KeyFront& key, Passage& passage, const KeyCase& of) {
    const std::string_view body = passage.body ? passage.body.view() : std::string_view();
    auto placed = place_run(body, key.ids());
    if (!placed) return go_home(key, passage, of);
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

void ask_each(KeyFront& key, Passage& passage, const KeyCase& of) {
    ask_all_of_home(key, passage, of.home, tell_each);
}

void ask_links(KeyFront& key, Passage& passage, const KeyCase& of) {
    ask_all_of_home(key, passage, of.home, tell_links);
}

}  // namespace millrace::runtime::node
