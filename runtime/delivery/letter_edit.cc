#include "runtime/delivery/letter_edit.h"

#include "core/buffer.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/json_scan.h"
#include "store/database.h"
#include "store/log/pool_set.h"
#include "store/rows/registry_store.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace millrace::runtime {
namespace {

constexpr std::array<std::string_view, 6> kStay = {"eventId",      "source",      "pattern",
                                                   "partitionKey", "scheduledAt", "tenantId"};
// Of these, what something that was no event may get.
constexpr std::array<std::string_view, 3> kGiven = {"pattern", "partitionKey", "scheduledAt"};
constexpr std::array<std::string_view, 3> kShownOnly = {"receivedAt", "shard", "offset"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

std::string_view without_quotes(std::string_view key) { return key.substr(1, key.size() - 2); }

// By value, blanks and escapes aside.
bool same_value(std::string_view one, std::string_view other) {
    if (one == other) return true;
    core::JsonDom a, b;
    core::JsonElement left, right;
    if (!a.read(one, left) || !b.read(other, right)) return false;
    std::string_view text, twin;
    if (left.get(text) && right.get(twin)) return text == twin;
    std::string x, y;
    core::append_json(x, left);
    core::append_json(y, right);
    return x == y;
}

}  // namespace

std::string letter_edit_id(const store::DeadLetterKey& letter) {
    const core::LogPosition& at = letter.delivery.position;
    return std::to_string(letter.tenant.value) + ":" + std::to_string(letter.created_at_us) + ":" +
           std::to_string(at.shard.value) + ":" + std::to_string(at.offset.value) + ":" +
           std::to_string(letter.delivery.subscription.value);
}

std::string letter_edit_document(const LetterEdit& edit) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("atUs", edit.at_us).field("by", edit.by).field("count", edit.count);
    json.raw_field("event", edit.event).end_object();
    return out;
}

core::Result<std::optional<LetterEdit>> find_letter_edit(store::Database& database,
                                                         const store::DeadLetterKey& letter) {
    auto row = database.registry().get(kLetterEditKind, letter_edit_id(letter));
    if (!row) return core::fail(std::move(row.error()));
    if (!*row) return std::nullopt;
    core::JsonDocument document;
    auto in = document.parse_object((*row)->json, "dead letter's event");
    if (!in) return core::fail(std::move(in.error()));
    LetterEdit edit;
    in->integer("atUs", edit.at_us, 0, INT64_MAX);
    in->text("by", edit.by);
    in->integer_as("count", edit.count, 1, UINT32_MAX);
    if (in->object("event", core::Presence::kRequired)) edit.event = in->any("event")->raw();
    if (auto status = in->finish(); !status) return core::fail(status.error());
    return std::optional<LetterEdit>(std::move(edit));
}

core::Result<std::string> merge_letter_edit(std::string_view original, std::string_view edited,
                                            const ShownMembers& shown) {
    const auto refuse = [](std::string_view name) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      std::string(name) +
                                          ": stays as it was: it says which event this is, for "
                                          "whom and in which order")
                              .in(std::string(name)));
    };
    std::string out, event_id, tenant_id;
    core::append_json_string(event_id, shown.event_id);
    core::append_json_string(tenant_id, shown.tenant_id);
    // What is not in the text is shown all the same.
    const auto shown_as = [&](std::string_view name) -> std::string_view {
        return name == "eventId"    ? std::string_view(event_id)
               : name == "tenantId" ? std::string_view(tenant_id)
               : name == "source"   ? kDefaultSourceJson
                                    : std::string_view{};
    };
    core::JsonWriter json(out);
    json.begin_object();
    (void)scan_members(original, [&](std::string_view key, std::string_view value) {
        if (is_one_of(kStay, without_quotes(key))) json.key(without_quotes(key)).raw(value);
        return true;
    });
    // What could be no event has no pattern: it is given one, and what belongs to it.
    const bool was_event = !member_of(original, "\"pattern\"").empty();
    std::string_view wrong;
    const bool object = scan_members(edited, [&](std::string_view key, std::string_view value) {
        const std::string_view name = without_quotes(key);
        if (is_one_of(kShownOnly, name)) return true;
        if (!is_one_of(kStay, name)) {
            json.key(name).raw(value);
            return true;
        }
        const std::string_view before = member_of(original, key);
        if (!was_event && before.empty() && is_one_of(kGiven, name)) {
            json.key(name).raw(value);
            return true;
        }
        if (!same_value(before.empty() ? shown_as(name) : before, value)) wrong = name;
        return wrong.empty();
    });
    if (!wrong.empty()) return refuse(wrong);
    if (!object)
        return core::fail(core::ErrorCode::kValidation, "body: must be an event, as an object");
    json.end_object();
    return out;
}

store::OwnedEvent with_text(store::Database& database, const store::OwnedEvent& event,
                            std::string_view text) {
    store::OwnedEvent out = event;
    const std::string_view fills = event.event.fills, pattern = event.event.pattern;
    const std::size_t others = text.size() + core::kPaddingBytes;
    const std::size_t bytes = others + fills.size() + pattern.size();
    core::BufferRef buffer = database.pools().acquire(bytes);
    char* const at = buffer.data();
    std::memcpy(at, text.data(), text.size());
    std::memset(at + text.size(), ' ', core::kPaddingBytes);
    if (!fills.empty()) std::memcpy(at + others, fills.data(), fills.size());
    if (!pattern.empty()) std::memcpy(at + others + fills.size(), pattern.data(), pattern.size());
    buffer.set_size(bytes);
    out.event.raw = {at, text.size()};
    out.event.fills = {at + others, fills.size()};
    out.event.pattern = {at + others + fills.size(), pattern.size()};
    out.bytes = std::move(buffer);
    return out;
}

}  // namespace millrace::runtime
