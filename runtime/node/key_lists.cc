// What each partition has some of: a thing whose partition its id does not say, and lists.
#include "core/json_dom.h"
#include "runtime/api/api.h"
#include "runtime/node/member_merge.h"
#include "runtime/node/order_steps.h"
#include "runtime/node/page_merge.h"

#include <charconv>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime::node {
namespace {

struct PageAsked {
    bool counts = false;
    MergedCursor cursor;
    PageRules page;
};

void tell_page(KeyFront& key, Passage& passage, const Gathering& whole, const PageAsked& asked) {
    if (told_refusal(key, passage, whole)) return;
    const std::vector<PartPage> pages = answers_of(whole);
    auto merged = asked.counts ? merge_counts(pages, asked.cursor)
                               : merge_pages(pages, asked.cursor, asked.page);
    if (!merged) return key.desk().answer(passage, merged.error());
    key.desk().answer_text(passage, 200, "application/json", *merged);
}

}  // namespace

// One that knows it has said so; that there is none, all have.
void tell_found(KeyFront& key, Passage& passage, const Gathering& whole) {
    const Part* told = nullptr;
    const auto rank = [](const Part& part) {
        if (part.good()) return 3;
        if (!(part.state == Part::State::kAnswered)) return 1;
        return part.status == 404 ? 0 : 2;
    };
    for (const auto& part : whole.parts) {
        if (!told || rank(*part) > rank(*told)) told = part.get();
    }
    if (rank(*told) != 1) {
        const bool tells = passage.is_own() && told->good();
        return key.desk().answer_text(
            passage, told->status, told->content_type,
            tells ? with_partition(told->text, told->partition) : told->text);
    }
    if (told->state == Part::State::kUnknown && !whole.repeatable)
        return key.desk().answer_maybe_taken(passage);
    key.desk().answer(passage, silent_partition(told->partition));
}

void ask_by_id(KeyFront& key, Passage& passage, std::size_t /*home*/) {
    key.gather(key.gathering_of_all(passage), tell_found);
}

void ask_for_trial(KeyFront& key, Passage& passage, std::size_t home) {
    core::JsonDom dom;
    const auto body = dom.parse(passage.body_view());
    core::JsonElement id;
    const bool names_event =
        body && body->is_object() && (body->find("eventId", id) || body->find("event_id", id));
    (names_event ? ask_by_id : go_home)(key, passage, home);
}

void ask_page(KeyFront& key, Passage& passage, std::size_t /*home*/) {
    const std::size_t partitions = key.routing().targets.size();
    PageAsked asked;
    asked.page.limit = api::kListLimitDefault;
    asked.counts = is_set(parameter_of(passage.target, "count"));
    const std::string text = parameter_of(passage.target, "cursor").value_or("");
    auto cursor = read_merged_cursor(text, partitions);
    if (!cursor) {
        return key.desk().answer(passage, core::Error(core::ErrorCode::kValidation,
                                                      "cursor is not one that this list gave")
                                              .in("cursor"));
    }
    asked.cursor = std::move(*cursor);
    const std::string limit = parameter_of(passage.target, "limit").value_or("");
    // One that does not read is refused where it is asked.
    (void)std::from_chars(limit.data(), limit.data() + limit.size(), asked.page.limit);
    // Of one event they all come at once.
    if (parameter_of(passage.target, "eventId"))
        asked.page.limit = std::numeric_limits<std::size_t>::max();
    const bool by_due_time = passage.path == "/v2/retries";
    if (by_due_time || parameter_of(passage.target, "order").value_or("") == "asc")
        asked.page.order = MergeOrder::kOldestFirst;
    asked.page.tells_partitions = by_due_time || passage.is_own();
    auto whole = key.gathering_of(passage);
    set_value(whole->headers, kPlacesHeader, "1");
    const std::string target = without_parameter(passage.target, "cursor");
    for (std::size_t p = 0; p < partitions; ++p) {
        const std::string& place = asked.cursor[p];
        if (place == kAtEnd) continue;
        key.add_part(*whole, p, place.empty() ? target : with_parameter(target, "cursor", place));
    }
    key.gather(std::move(whole),
               [asked = std::move(asked)](KeyFront& front, Passage& waits, const Gathering& over) {
                   tell_page(front, waits, over, asked);
               });
}

}  // namespace millrace::runtime::node
