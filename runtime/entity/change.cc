#include "runtime/entity/change.h"

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "core/listed.h"
#include "core/timestamp.h"
#include "runtime/event/json_scan.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::size_t kLinkBytesMax = 2 * kEntityIdBytesMax + kEntityTypeBytesMax + 2;

EntityStamp next_stamp(const EntityChange& change, std::int64_t now_us) {
    if (change.verb == EntityVerb::kDeleted) return change.stamp;
    const bool fresh = change.verb == EntityVerb::kCreated;
    return {change.stamp.version + 1, fresh ? now_us : change.stamp.created_at_us, now_us};
}

// A document that lives elsewhere says itself who it is.
std::string_view shown_id(const EntityChange& change) {
    return change.elsewhere ? std::string_view() : std::string_view(change.id);
}

}  // namespace

std::string hook_input(const EntityChange& change) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    const bool gone = change.verb == EntityVerb::kDeleted;
    json.raw_field("doc",
                   entity_view(shown_id(change), change.doc, gone ? change.stamp : EntityStamp{}));
    if (change.verb == EntityVerb::kUpdated) {
        json.raw_field("beforeUpdateDoc",
                       entity_view(shown_id(change), change.before, change.stamp));
        json.raw_field("payload", entity_difference(change.before, change.doc));
    }
    json.end_object();
    return out;
}

bool take_hook_doc(EntityChange& change, std::string_view doc, std::string& why) {
    if (change.verb == EntityVerb::kDeleted) return true;
    auto body = read_entity_body(doc, "doc",
                                 change.elsewhere ? EntityMembers::kWhole : EntityMembers::kOwn);
    if (!body) {
        why = "a hook left a document that is none: " + body.error().message;
        return false;
    }
    if (body->id != change.id && !body->id.empty()) {
        why = "a hook has changed doc.id, which names the entity";
        return false;
    }
    change.doc = in_words_of(change.doc, body->members);
    return true;
}

void settle_change(EntityChange& change, std::int64_t now_us) {
    if (change.verb == EntityVerb::kUpdated) {
        change.payload = entity_difference(change.before, change.doc);
        change.changed = change.payload != "{}";
    } else {
        change.changed = true;
    }
    if (change.elsewhere) return;
    change.stamp_after = change.changed ? next_stamp(change, now_us) : change.stamp;
}

std::string entity_event(const EntityChange& change, std::int64_t now_us) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("eventId", change.event_id);
    json.field("pattern", entity_pattern(change.type, change.verb)).field("version", "1.0");
    json.key("source").begin_object().field("type", kEntitySourceType).field("id", kEntitySourceId);
    json.end_object().field("timestamp", core::format_timestamp(now_us));
    json.key("payload").begin_object().field("entity", change.type).field("id", change.id);
    if (!change.elsewhere) json.field("version", change.stamp_after.version);
    json.raw_field("doc", entity_view(shown_id(change), change.doc, change.stamp_after));
    if (change.verb == EntityVerb::kUpdated) {
        json.raw_field("beforeUpdateDoc",
                       entity_view(shown_id(change), change.before, change.stamp));
        json.raw_field("payload", change.payload);
    }
    json.end_object().key("metadata").begin_object().key("context").begin_object();
    json.field("type", "global").field("id", change.type + "/" + change.id);
    json.end_object().end_object();
    if (!change.chain.empty()) {
        json.key("x-chain").begin_array();
        for (const std::string& link : change.chain) json.value(link);
        json.end_array();
    }
    json.end_object();
    return out;
}

std::string join_chain(const std::vector<std::string>& chain) {
    std::string out;
    for (const std::string& link : chain) {
        if (!out.empty()) out += ',';
        out += link;
    }
    return out;
}

bool read_chain(std::string_view text, std::vector<std::string>& chain) {
    return core::each_listed(text, [&](std::string_view link) {
        const bool fits = link.size() <= kLinkBytesMax &&
                          link.find('@') != std::string_view::npos &&
                          link.find('/') != std::string_view::npos;
        if (!fits || chain.size() > kHookChainMax) return false;
        chain.emplace_back(link);
        return true;
    });
}

bool is_in_chain(const std::vector<std::string>& chain, std::string_view link) {
    return std::find(chain.begin(), chain.end(), link) != chain.end();
}

std::vector<std::string> chain_of_event(std::string_view event) {
    std::vector<std::string> chain;
    core::JsonDom dom;
    core::JsonElement root;
    core::JsonArray links;
    const std::string_view text = member_of(event, "\"x-chain\"");
    if (text.empty() || !dom.read(text, root) || !root.get(links)) return chain;
    for (const core::JsonElement link : links) {
        std::string_view name;
        if (link.get(name) && chain.size() <= kHookChainMax) chain.emplace_back(name);
    }
    return chain;
}

}  // namespace millrace::runtime
