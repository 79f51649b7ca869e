#include "runtime/registry/document_body.h"

#include "core/listed.h"
#include "core/made_id.h"
#include "core/timestamp.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::array<std::string_view, 6> kServerMembers = {"version", "createdAt", "updatedAt",
                                                            "hash",    "tenantId",  "paused"};

bool is_id_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':' || c == '@';
}

std::string text_of(core::JsonElement element) {
    std::string out;
    core::append_json(out, element);
    return out;
}

bool is_whole(std::string_view path, std::span<const std::string_view> whole) {
    return std::find(whole.begin(), whole.end(), path) != whole.end();
}

// RFC 7386, but for what is taken as it is given. `path`: where `patch` stands.
// NOLINTNEXTLINE(misc-no-recursion): bounded by the documents' depth
void append_merged(std::string& out, const core::JsonElement* there, core::JsonElement patch,
                   std::string& path, std::span<const std::string_view> whole) {
    core::JsonMembers changes, base;
    if (is_whole(path, whole) || !patch.get(changes)) return core::append_json(out, patch);
    const bool has_base = there && there->get(base);
    bool first = true;
    const auto put = [&](const core::JsonMember& member, const core::JsonElement* below,
                         const core::JsonElement& value) {
        if (!std::exchange(first, false)) out += ',';
        out.append(member.raw_key) += ':';
        const std::size_t bytes = path.size();
        if (bytes > 0) path += '.';
        path += member.key;
        append_merged(out, below, value, path, whole);
        path.resize(bytes);
    };
    out += '{';
    if (has_base) {
        for (const core::JsonMember member : base) {
            core::JsonElement change;
            if (changes.find(member.key, change)) {
                if (!change.is_null()) put(member, &member.value, change);
                continue;
            }
            if (!std::exchange(first, false)) out += ',';
            out.append(member.raw_key) += ':';
            core::append_json(out, member.value);
        }
    }
    for (const core::JsonMember member : changes) {
        core::JsonElement ignored;
        if (!member.value.is_null() && !(has_base && base.find(member.key, ignored)))
            put(member, nullptr, member.value);
    }
    out += '}';
}

using MemberPath = std::vector<std::string>;  // the names down to it

// NOLINTNEXTLINE(misc-no-recursion): bounded by the documents' depth
void find_absent_nulls(const core::JsonMembers* shown, core::JsonMembers patch, MemberPath& path,
                       std::vector<MemberPath>& out) {
    for (const core::JsonMember member : patch) {
        if (out.size() >= kNullsLookedAt) return;
        core::JsonElement there;
        const bool is_there = shown && shown->find(member.key, there);
        path.emplace_back(member.key);
        core::JsonMembers below, base;
        if (member.value.is_null()) {
            if (!is_there) out.push_back(path);
        } else if (member.value.get(below)) {
            const bool has_base = is_there && there.get(base);
            find_absent_nulls(has_base ? &base : nullptr, below, path, out);
        }
        path.pop_back();
    }
}

// One of the tags of an If-Match header, without quotes and without what marks a weak one.
std::string_view bare_tag(std::string_view tag) {
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"')
        tag = tag.substr(1, tag.size() - 2);
    return tag;
}

// What a patch takes away and is not shown.
core::Result<std::vector<MemberPath>> absent_nulls(std::string_view shown, std::string_view patch,
                                                   std::span<const std::string_view> whole) {
    core::JsonDocument shown_document, patch_document;
    auto shown_root = shown_document.parse(shown);
    if (!shown_root) return core::fail(std::move(shown_root.error()));
    auto patch_root = patch_document.parse(patch);
    if (!patch_root) return core::fail(std::move(patch_root.error()));
    std::vector<MemberPath> out;
    core::JsonMembers base, changes;
    if (!patch_root->get(changes)) return out;
    const bool has_base = shown_root->get(base);
    MemberPath path;
    find_absent_nulls(has_base ? &base : nullptr, changes, path, out);
    // What is taken as it is given keeps its nulls.
    std::erase_if(out, [whole](const MemberPath& one) {
        std::string above;
        for (std::size_t i = 0; i + 1 < one.size(); ++i) {
            above += (i == 0 ? "" : ".") + one[i];
            if (is_whole(above, whole)) return true;
        }
        return false;
    });
    return out;
}

// The document with null in that place, as no merge leaves it: to ask whether it is known there.
core::Result<std::string> with_null(std::string_view document, const MemberPath& path) {
    constexpr std::string_view kMark = R"("\u0001null")";  // nobody's own text
    std::string patch;
    for (const std::string& name : path) {
        patch += '{';
        core::append_json_string(patch, name);
        patch += ':';
    }
    patch += kMark;
    patch.append(path.size(), '}');
    auto out = core::json_merge_patch(document, patch);
    if (!out) return out;
    if (const std::size_t at = out->find(kMark); at != std::string::npos)
        out->replace(at, kMark.size(), "null");
    return out;
}

}  // namespace

bool is_resource_id(std::string_view id) {
    return !id.empty() && id.size() <= kResourceIdBytesMax && id != "." && id != ".." &&
           std::all_of(id.begin(), id.end(), is_id_byte);
}

void read_document_names(core::JsonObject& in, std::string& id, std::string& name) {
    in.text("name", name, {.bytes_max = kResourceNameBytesMax});
    std::string given;
    if (!in.text("id", given, {.bytes_min = 1, .bytes_max = kResourceIdBytesMax})) return;
    if (!std::all_of(given.begin(), given.end(), is_id_byte))
        return in.refuse("id", "may hold letters, digits and _ - . : @ only");
    if (!is_resource_id(given)) return in.refuse("id", "is not usable in a path");
    id = std::move(given);
}

void read_over_server_members(core::JsonObject& in) {
    for (const std::string_view name : kServerMembers) (void)in.any(name);
}

core::Status refuse_server_members(std::string_view body, std::string_view shown) {
    core::JsonDocument body_document, shown_document;
    auto in = body_document.parse_object(body);
    if (!in) return core::fail(std::move(in.error()));
    auto old = shown_document.parse_object(shown.empty() ? "{}" : shown);
    if (!old) return core::fail(std::move(old.error()));
    for (const std::string_view name : kServerMembers) {
        const auto given = in->any(name);
        if (!given) continue;
        const auto kept = old->any(name);
        if (kept && text_of(*kept) == text_of(*given)) continue;
        in->refuse(name, "is made by the server; leave it out");
        break;
    }
    if (in->ok()) return {};
    return in->finish();
}

void append_document_times(core::JsonWriter& json, std::uint32_t version,
                           std::int64_t created_at_us, std::int64_t updated_at_us) {
    json.field("version", version).field("createdAt", core::format_timestamp(created_at_us));
    json.field("updatedAt", core::format_timestamp(updated_at_us));
}

std::string member_text(core::JsonObject& in, std::string_view name) {
    const auto element = in.any(name);
    return element && !element->is_null() ? text_of(*element) : std::string();
}

core::Result<std::string> merge_document(std::string_view shown, std::string_view patch,
                                         std::span<const std::string_view> whole) {
    core::JsonDocument document;
    auto root = document.parse(patch);
    if (!root) return core::fail(std::move(root.error()));
    core::JsonMembers members;
    if (!root->get(members)) {
        return core::fail(core::ErrorCode::kValidation,
                          "body must be a JSON object, not " + std::string(json_type_text(*root)));
    }
    core::JsonDocument shown_document;
    auto base = shown_document.parse(shown, "document");
    if (!base) return core::fail(std::move(base.error()));
    std::string out, path;
    append_merged(out, &*base, *root, path, whole);
    return out;
}

core::Status refuse_absent_nulls(std::string_view shown, std::string_view patch,
                                 std::string_view merged, std::span<const std::string_view> whole,
                                 const std::function<core::Status(std::string_view)>& read,
                                 const std::function<core::Status(std::string_view)>& read_alone) {
    const auto paths = absent_nulls(shown, patch, whole);
    if (!paths) return core::fail(paths.error());
    for (const MemberPath& path : *paths) {
        std::string name;
        for (const std::string& part : path) name += name.empty() ? part : "." + part;
        const auto probe = with_null(merged, path);
        if (!probe) return core::fail(probe.error());
        if (auto known = read(*probe);
            !known && known.error().message == name + " is not a known member")
            return known;
        // It does not stand in what is shown, and has to: it is kept, and no patch takes it away.
        if (auto without = read_alone(merged); !without && without.error().field == name) {
            return core::fail(core::Error(core::ErrorCode::kValidation,
                                          name + " can not be taken away; give another one")
                                  .in(name));
        }
    }
    return {};
}

core::Status check_precondition(std::string_view if_match, std::string_view etag) {
    if (if_match.empty()) return {};
    const bool none_fits = core::each_listed(if_match, [&](std::string_view listed) {
        const std::string_view tag = bare_tag(listed);
        return tag != "*" && tag != etag;
    });
    if (!none_fits) return {};
    return core::fail(core::Error(core::ErrorCode::kConflict,
                                  "If-Match: the document has changed since; it is \"" +
                                      std::string(etag) +
                                      "\" now. Read it again and send the change with that")
                          .in("If-Match"));
}

std::string make_document_id(std::string_view prefix, core::Random& random) {
    return core::make_id(prefix, random, 16);
}

}  // namespace millrace::runtime
