// /v2/replays of all partitions: each has a part of one replay, under one id.
#include "core/json_writer.h"
#include "runtime/api/api.h"
#include "runtime/node/forward_head.h"
#include "runtime/node/order_steps.h"
#include "runtime/node/replay_merge.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::string_view kReplays = "/v2/replays";

// ---- begun

void tell_begun(KeyFront& key, Passage& passage, const std::string& id, std::string_view status) {
    std::string text;
    core::JsonWriter json(text);
    json.begin_object().field("id", id).field("status", status).end_object();
    io::BodyWriter body = key.desk().body_writer();
    body.append(text);
    const std::string location = std::string(kReplays) + "/" + id;
    const std::array<io::HeaderField, 1> headers{{{"Location", location}}};
    passage.server().respond(passage.token, {.status = 202, .headers = headers}, std::move(body));
    key.desk().finish(passage);
}

// What a part did before it was cancelled stands on record under the replay's id.
std::string undone_words(const Gathering& whole, const std::string& id) {
    std::vector<std::size_t> undone, going_on;
    for (const auto& part : whole.parts) {
        const bool over = part->state == Part::State::kAnswered &&
                          (part->good() || part->status == 409 || part->status == 404);
        (over ? undone : going_on).push_back(part->partition);
    }
    std::string out;
    if (undone.empty() && going_on.empty()) return "; nothing was begun";
    if (!undone.empty())
        out += "; what replay " + id + " had begun in " + partitions_text(undone) +
               " was cancelled: what it did until then is told under that id";
    if (!going_on.empty())
        out += "; in " + partitions_text(going_on) + " it may go on: cancel " + id +
               " when they can be reached";
    return out;
}

void tell_of_doing(KeyFront& key, const Gathering& whole, const std::string& id) {
    const Part* refused = refusing(whole);
    if (!refused) {
        if (Passage* passage = key.desk().passage_of(whole.waits))
            tell_begun(key, *passage, id, "running");
        return;
    }
    Refusal refusal = refusal_of(*refused);
    auto undo = next_after(key, whole, io::Method::kDelete);
    for (const auto& part : whole.parts) {
        if (part->good() || part->state == Part::State::kUnknown)
            key.add_part(*undo, part->partition, std::string(kReplays) + "/" + id);
    }
    // Also where the client is gone: nothing big goes on that nobody was told of.
    undo->when_over = [&key, id, refusal = std::move(refusal)](const Gathering& over) mutable {
        Passage* passage = key.desk().passage_of(over.waits);
        if (!passage) return;
        refusal.add(undone_words(over, id));
        tell(key, *passage, refusal);
    };
    key.start(std::move(undo));
}

void begin_replay_everywhere(KeyFront& key, Passage& passage, const ReplayAsked& asked,
                             const Gathering& looked) {
    auto plan = plan_replay(asked, answers_of(looked), key.desk().wall_us());
    if (!plan) return key.desk().answer(passage, plan.error());
    if (!plan->begun_before.empty()) return tell_begun(key, passage, asked.id, plan->begun_before);
    auto whole = doing(key, passage, each(std::move(plan->orders)), Twice::kIsOnce);
    whole->when_over = [&key, id = asked.id](const Gathering& over) {
        tell_of_doing(key, over, id);
    };
    key.start(std::move(whole));
}

void begin_replay(KeyFront& key, Passage& passage) {
    ReplayAsked asked = read_replay_asked(passage.body_view());
    const LookRules rules{.id = asked.id, .at_us = key.desk().wall_us()};
    look_everywhere(
        key, passage, rules,
        [asked = std::move(asked)](KeyFront& front, Passage& waits, const Gathering& over) {
            begin_replay_everywhere(front, waits, asked, over);
        });
}

// ---- asked for

void tell_replay(KeyFront& key, Passage& passage, const Gathering& whole) {
    const std::vector<PartPage> parts = answers_of(whole);
    // Nobody has it: any of them says so.
    if (parts.empty()) return tell(key, passage, refusal_of(*whole.parts.front()));
    auto merged = merge_replay(parts);
    if (!merged) return key.desk().answer(passage, merged.error());
    tell_json(key, passage, 200, *merged);
}

void tell_replays(KeyFront& key, Passage& passage, const Gathering& whole, std::size_t limit) {
    auto merged = merge_replay_pages(answers_of(whole), limit);
    if (!merged) return key.desk().answer(passage, merged.error());
    tell_json(key, passage, 200, *merged);
}

// Parts of one replay have one id and one time: a cursor means the same to all.
void list_replays(KeyFront& key, Passage& passage) {
    std::size_t limit = api::kListLimitDefault;
    const std::string digits = parameter_of(passage.target, "limit").value_or("");
    // One that does not read is refused where it is asked.
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), limit);
    set_value(passage.headers, kPlacesHeader, "1");
    ask_everywhere(key, passage, Lacking::kRefuses,
                   [limit](KeyFront& front, Passage& waits, const Gathering& over) {
                       tell_replays(front, waits, over, limit);
                   });
}

// ---- cancelled

// What can be reached is cancelled, whatever can not.
void tell_cancelled(KeyFront& key, Passage& passage, const Gathering& whole) {
    const Part* silent = nullptr;
    const Part* refused = nullptr;
    bool any = false;
    for (const auto& part : whole.parts) {
        any = any || part->good();
        if (part->state != Part::State::kAnswered || part->status == 503)
            silent = part.get();
        else if (!part->good() && (!refused || refused->status == 404))
            refused = part.get();
    }
    if (silent) {
        Refusal refusal = refusal_of(*silent);
        refusal.add("; everywhere else it is cancelled: come again for the rest");
        return tell(key, passage, refusal);
    }
    if (!any) return tell(key, passage, refusal_of(*refused));
    auto look = next_after(key, whole, io::Method::kGet);
    for (const auto& part : whole.parts) key.add_part(*look, part->partition, part->target);
    key.gather(std::move(look), [](KeyFront& front, Passage& waits, const Gathering& over) {
        if (const Part* part = refusing(over, Lacking::kIsAnAnswer))
            return tell(front, waits, refusal_of(*part));
        tell_replay(front, waits, over);
    });
}

void cancel_replay(KeyFront& key, Passage& passage) {
    auto whole = key.gathering_of_all(passage);
    whole->repeatable = true;
    key.gather(std::move(whole), tell_cancelled);
}

}  // namespace

void order_replays(KeyFront& key, Passage& passage, std::size_t home) {
    const bool all = passage.path == kReplays;
    if (all && passage.method == io::Method::kPost) return begin_replay(key, passage);
    if (!all && passage.method == io::Method::kDelete) return cancel_replay(key, passage);
    // Nothing is there: whoever knows the words says so.
    if (!is_repeatable(passage.method)) return go_home(key, passage, home);
    if (all) return list_replays(key, passage);
    if (passage.path.ends_with("/diff")) return ask_page(key, passage, home);
    ask_everywhere(key, passage, Lacking::kIsAnAnswer, tell_replay);
}

}  // namespace millrace::runtime::node
