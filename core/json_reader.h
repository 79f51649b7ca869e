// What: typed reading of small JSON documents (API bodies, registry rows) over JsonDom. The
//       first error sticks and names the member by its full path; members nobody asked for are
//       errors too:
//           JsonDocument document;
//           auto root = document.parse_object(body);            // Result<JsonObject>
//           root->text("name", name, {.bytes_max = 256});
//           root->integer("priority", priority, -100, 100);
//           return root->finish();                                  // Status
// Threads: one owner. Lifetime: string_views and elements live as long as the document.
// Limits: kJsonDocumentDepthMax; the caller bounds the bytes.
// Failure: kValidation errors with field and, for broken JSON, the byte position.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::core {

enum class Presence : std::uint8_t { kOptional, kRequired };

struct TextRules {
    Presence presence = Presence::kOptional;
    std::size_t bytes_min = 0;
    std::size_t bytes_max = 4096;
};

class JsonObject {
public:
    JsonObject(JsonMembers object, std::string path) : object_(object), path_(std::move(path)) {}

    // Each leaves `out` alone when the member is absent and returns whether it was taken.
    bool text(std::string_view name, std::string& out, TextRules rules = {});
    bool integer(std::string_view name, std::int64_t& out, std::int64_t min, std::int64_t max,
                 Presence presence = Presence::kOptional);
    template <typename Int>
    bool integer_as(std::string_view name, Int& out, std::int64_t min, std::int64_t max,
                    Presence presence = Presence::kOptional) {
        std::int64_t value = 0;
        if (!integer(name, value, min, max, presence)) return false;
        out = static_cast<Int>(value);
        return true;
    }
    bool number(std::string_view name, double& out, double min, double max);
    bool boolean(std::string_view name, bool& out);
    // An RFC 3339 time as microseconds.
    bool timestamp(std::string_view name, std::int64_t& us);
    bool text_list(std::string_view name, std::vector<std::string>& out, std::size_t items_max);

    template <typename Enum, std::size_t N>
    bool choice(std::string_view name, Enum& out,
                const std::array<std::pair<std::string_view, Enum>, N>& choices,
                Presence presence = Presence::kOptional) {
        std::string value;
        if (!text(name, value, {.presence = presence})) return false;
        std::string expected;
        for (const auto& [text, option] : choices) {
            if (value == text) {
                out = option;
                return true;
            }
            expected += expected.empty() ? "" : ", ";
            expected += text;
        }
        refuse(name, "is \"" + value.substr(0, 64) + "\"; expected one of: " + expected);
        return false;
    }

    // A member of any type; marks it as known.
    std::optional<JsonElement> any(std::string_view name, Presence presence = Presence::kOptional);
    // A member that must be an object; null counts as absent.
    std::optional<JsonObject> object(std::string_view name,
                                     Presence presence = Presence::kOptional);
    // Takes over the first error of a reader of a member.
    void join(const JsonObject& inner) {
        if (!error_) error_ = inner.error_;
    }
    // Takes over the error of something that read a member by other means; its field is prefixed.
    void join(std::string_view name, const Error& error);

    // Keeps the first error only.
    void refuse(std::string_view name, std::string_view what);
    bool ok() const { return !error_; }
    std::string full_name(std::string_view name) const {
        return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
    }

    // The first error, else unknown or repeated members, else success.
    Status finish();

private:
    JsonMembers object_;
    std::string path_;
    std::vector<std::string_view> known_;
    std::optional<Error> error_;
};

class JsonDocument {
public:
    // `what` names the text in errors ("body").
    Result<JsonElement> parse(std::string_view text, std::string_view what = "body");
    Result<JsonObject> parse_object(std::string_view text, std::string_view what = "body");

private:
    JsonDom dom_;
};

// RFC 7386: `patch` laid over `target`; both are JSON texts, the result is compact JSON
// whose values stand as they stood in either.
Result<std::string> json_merge_patch(std::string_view target, std::string_view patch);

}  // namespace millrace::core
