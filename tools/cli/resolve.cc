#include "tools/cli/resolve.h"

#include "tools/cli/json.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace millrace::tools {

namespace {

constexpr long kNotFound = 404;
constexpr std::size_t kPrefixBytesMin = 4;

bool for_each(CliContext& context, const ResourceKind& kind,
              const std::function<void(core::JsonElement)>& visit) {
    std::string cursor;
    do {
        const auto page = context.get(std::string(kind.path) +
                                      Query().add("limit", 1000).add("cursor", cursor).str());
        if (page == nullptr) return false;
        bool found = false;
        for (const core::JsonElement item : array_at(page->root, "items", found)) visit(item);
        cursor = text_at(page->root, "next");
    } while (!cursor.empty());
    return true;
}

std::string listed(const std::vector<std::string>& ids) {
    std::string list;
    for (const std::string& id : ids) list += (list.empty() ? "" : ", ") + id;
    return list;
}

}  // namespace

bool find_by_name(CliContext& context, const ResourceKind& kind, std::string_view name,
                  std::vector<std::string>& ids) {
    return for_each(context, kind, [&](core::JsonElement item) {
        if (text_at(item, "name") == name) ids.push_back(text_at(item, "id"));
    });
}

namespace {

enum class Missing : std::uint8_t { kIsAnError, kStaysAsItIs };

std::string find(CliContext& context, const ResourceKind& kind, const std::string& text,
                 Missing missing) {
    const auto known = context.send({.path = std::string(kind.path) + "/" + url_escaped(text)});
    if (known == nullptr) return {};
    if (known->ok()) return text;
    if (known->status != kNotFound && known->status != 400) {
        context.failed(*known);
        return {};
    }
    std::vector<std::string> named, begun;
    const bool read = for_each(context, kind, [&](core::JsonElement item) {
        const std::string id = text_at(item, "id");
        if (text_at(item, "name") == text) named.push_back(id);
        if (text.size() >= kPrefixBytesMin && id.starts_with(text)) begun.push_back(id);
    });
    if (!read) return {};
    const std::vector<std::string>& found = named.empty() ? begun : named;
    if (found.size() == 1) return found.front();
    const std::string noun(kind.noun);
    if (found.empty() && missing == Missing::kStaysAsItIs) return text;
    if (found.empty()) {
        context.failed(core::Error(core::ErrorCode::kNotFound,
                                   "no " + noun + " has the id or the name '" + text + "'"));
    } else {
        context.failed(core::Error(
            core::ErrorCode::kConflict,
            "'" + text + "' means several " + noun + "s: " + listed(found) + "; give an id"));
    }
    return {};
}

}  // namespace

std::string resolve(CliContext& context, const ResourceKind& kind, const std::string& text) {
    return find(context, kind, text, Missing::kIsAnError);
}

bool resolve_filter(CliContext& context, const ResourceKind& kind, std::string& text) {
    if (text.empty()) return true;
    text = find(context, kind, text, Missing::kStaysAsItIs);
    return !text.empty();
}

}  // namespace millrace::tools
