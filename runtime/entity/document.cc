#include "runtime/entity/document.h"

#include "core/decimal.h"
#include "core/json_dom.h"
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/timestamp.h"

#include <unordered_map>
#include <utility>

namespace millrace::runtime {
namespace {

using core::JsonElement;
using core::JsonMembers;
using core::JsonType;

constexpr std::string_view kServerMembers[] = {"id", "version", "createdAt", "updatedAt"};

bool is_server_member(std::string_view name) {
    for (const std::string_view one : kServerMembers) {
        if (one == name) return true;
    }
    return false;
}

// Members found by name at once, however many there are.
class ByName {
public:
    explicit ByName(const JsonMembers& members) {
        for (const core::JsonMember member : members) at_.emplace(member.key, member.value);
    }
    const JsonElement* find(std::string_view name) const {
        const auto found = at_.find(name);
        return found == at_.end() ? nullptr : &found->second;
    }

private:
    std::unordered_map<std::string_view, JsonElement> at_;
};

bool same_number(std::string_view a, std::string_view b) {
    core::Decimal left, right;
    if (!core::Decimal::parse(a, left) || !core::Decimal::parse(b, right)) return false;
    if (left.is_zero() && right.is_zero()) return true;
    return left.is_negative() == right.is_negative() && left.compare_size(right) == 0;
}

// NOLINTNEXTLINE(misc-no-recursion): one level of the text a level, kEntityDepthMax of them
bool same(const JsonElement& a, const JsonElement& b) {
    if (a.raw() == b.raw()) return true;
    if (a.type() != b.type()) return false;
    switch (a.type()) {
        case JsonType::kNumber: return same_number(a.raw(), b.raw());
        case JsonType::kString: {
            std::string_view left, right;
            return a.get(left) && b.get(right) && left == right;
        }
        case JsonType::kArray: {
            core::JsonArray left, right;
            if (!a.get(left) || !b.get(right) || left.size() != right.size()) return false;
            auto other = right.begin();
            for (const JsonElement item : left) {
                if (!same(item, *other)) return false;
                ++other;
            }
            return true;
        }
        case JsonType::kObject: {
            JsonMembers left, right;
            if (!a.get(left) || !b.get(right) || left.size() != right.size()) return false;
            const ByName others(right);
            for (const core::JsonMember member : left) {
                const JsonElement* other = others.find(member.key);
                if (!other || !same(member.value, *other)) return false;
            }
            return true;
        }
        default: return true;
    }
}

// NOLINTNEXTLINE(misc-no-recursion): as same()
void append_difference(core::JsonWriter& json, const JsonMembers& before,
                       const JsonMembers& after) {
    json.begin_object();
    const ByName old(before), now(after);
    for (const core::JsonMember member : after) {
        const JsonElement* other = old.find(member.key);
        if (other && same(*other, member.value)) continue;
        json.key(member.key);
        JsonMembers left, right;
        if (other && other->get(left) && member.value.get(right)) {
            append_difference(json, left, right);
            continue;
        }
        std::string text;
        core::append_json(text, member.value);
        json.raw(text);
    }
    for (const core::JsonMember member : before) {
        if (!now.find(member.key)) json.key(member.key).value(nullptr);
    }
    json.end_object();
}

// NOLINTNEXTLINE(misc-no-recursion): as same()
void append_in_words(core::JsonWriter& json, const JsonElement& original,
                     const JsonElement& changed) {
    JsonMembers left, right;
    core::JsonArray from, to;
    if (same(original, changed)) {
        std::string text;
        core::append_json(text, original);
        json.raw(text);
    } else if (original.get(left) && changed.get(right)) {
        const ByName old(left), now(right);
        json.begin_object();
        for (const core::JsonMember member : left) {
            const JsonElement* value = now.find(member.key);
            if (!value) continue;
            json.key(member.key);
            append_in_words(json, member.value, *value);
        }
        for (const core::JsonMember member : right) {
            if (old.find(member.key)) continue;
            json.key(member.key);
            append_in_words(json, member.value, member.value);
        }
        json.end_object();
    } else if (original.get(from) && changed.get(to)) {
        json.begin_array();
        auto old = from.begin();
        const auto end = from.end();
        for (const JsonElement item : to) {
            const bool there = old != end;
            append_in_words(json, there ? *old : item, item);
            if (there) ++old;
        }
        json.end_array();
    } else {
        std::string text;
        core::append_json(text, changed);
        json.raw(text);
    }
}

struct Two {
    core::JsonDom before_dom, after_dom;
    JsonElement before, after;
    bool read(std::string_view first, std::string_view second) {
        return before_dom.read(first, before) && after_dom.read(second, after);
    }
};

core::Status read_server_members(core::JsonObject& in, EntityBody& out) {
    in.text("id", out.id, {.bytes_min = 1, .bytes_max = 128});
    std::uint64_t version = 0;
    if (in.integer_as("version", version, 0, INT64_MAX)) out.version = version;
    (void)in.any("createdAt");
    (void)in.any("updatedAt");
    if (!in.ok()) return in.finish();
    return {};
}

}  // namespace

core::Result<EntityBody> read_entity_body(std::string_view text, std::string_view what,
                                          EntityMembers mode) {
    if (text.size() > kEntityBytesMax) {
        return core::fail(
            core::Error(core::ErrorCode::kPayloadTooLarge,
                        std::string(what) + ": an entity of " + std::to_string(text.size()) +
                            " bytes is over the limit of " + std::to_string(kEntityBytesMax))
                .in(std::string(what))
                .bound(kEntityBytesMax));
    }
    core::JsonDom dom;
    auto root = dom.parse(text, {.duplicates = core::DuplicateKeys::kRefuse,
                                 .depth_max = kEntityDepthMax,
                                 .bytes_max = kEntityBytesMax});
    if (!root) {
        root.error().message = std::string(what) + ": " + root.error().message;
        return core::fail(std::move(root.error()));
    }
    JsonMembers members;
    if (!root->get(members)) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, std::string(what) + " is " +
                                                          std::string(json_type_text(*root)) +
                                                          "; an entity is an object")
                .in(std::string(what)));
    }
    EntityBody out;
    if (mode == EntityMembers::kWhole) {
        core::append_json(out.members, *root);
        return out;
    }
    core::JsonObject in(members, "");
    if (auto status = read_server_members(in, out); !status)
        return core::fail(std::move(status.error()));
    core::JsonWriter json(out.members);
    json.begin_object();
    std::string value;
    for (const core::JsonMember member : members) {
        if (is_server_member(member.key)) continue;
        value.clear();
        core::append_json(value, member.value);
        json.key(member.key).raw(value);
    }
    json.end_object();
    return out;
}

core::Result<std::string> merge_entity(std::string_view members, std::string_view patch) {
    auto merged = core::json_merge_patch(members, patch);
    if (merged && merged->size() > kEntityBytesMax) {
        return core::fail(core::Error(core::ErrorCode::kPayloadTooLarge,
                                      "body: the entity would have " +
                                          std::to_string(merged->size()) + " bytes; the limit is " +
                                          std::to_string(kEntityBytesMax))
                              .in("body")
                              .bound(kEntityBytesMax));
    }
    return merged;
}

std::string entity_view(std::string_view id, std::string_view members, const EntityStamp& stamp) {
    std::string out;
    core::JsonWriter json(out);
    if (id.empty()) return std::string(members);
    json.begin_object().field("id", id);
    const std::string_view inside = members.size() > 2 ? members.substr(1, members.size() - 2) : "";
    if (!inside.empty()) out.append(",").append(inside);
    if (stamp.version != 0) {
        json.field("version", stamp.version);
        json.field("createdAt", core::format_timestamp(stamp.created_at_us));
        json.field("updatedAt", core::format_timestamp(stamp.updated_at_us));
    }
    json.end_object();
    return out;
}

std::string entity_difference(std::string_view before, std::string_view after) {
    std::string out;
    Two two;
    JsonMembers left, right;
    core::JsonWriter json(out);
    if (!two.read(before, after) || !two.before.get(left) || !two.after.get(right)) return "{}";
    append_difference(json, left, right);
    return out;
}

bool is_same_entity(std::string_view before, std::string_view after) {
    if (before == after) return true;
    Two two;
    return two.read(before, after) && same(two.before, two.after);
}

std::string in_words_of(std::string_view original, std::string_view changed) {
    std::string out;
    Two two;
    if (!two.read(original, changed)) return std::string(changed);
    core::JsonWriter json(out);
    append_in_words(json, two.before, two.after);
    return out;
}

}  // namespace millrace::runtime
