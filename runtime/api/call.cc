#include "runtime/api/call.h"

#include "core/moment.h"
#include "store/rows/page_cursor.h"

#include <charconv>
#include <utility>

namespace millrace::runtime::api {
namespace {

tl::unexpected<core::Error> bad_parameter(std::string_view name, std::string_view value,
                                          std::string_view expected) {
    return core::fail(
        core::Error(core::ErrorCode::kValidation, "query parameter " + std::string(name) +
                                                      " is \"" + std::string(value.substr(0, 64)) +
                                                      "\"; expected " + std::string(expected))
            .in(std::string(name)));
}

}  // namespace

core::Result<std::size_t> Call::limit() const {
    const auto value = request.query_value("limit");
    if (!value) return kListLimitDefault;
    std::size_t limit = 0;
    const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), limit);
    if (error != std::errc() || end != value->data() + value->size() || limit < 1 ||
        limit > kListLimitMax) {
        auto refused = bad_parameter("limit", *value,
                                     "a whole number from 1 to " + std::to_string(kListLimitMax));
        refused.value().limit = static_cast<std::int64_t>(kListLimitMax);
        return refused;
    }
    return limit;
}

core::Result<std::int64_t> Call::time(std::string_view name, std::int64_t absent) const {
    const auto value = request.query_value(name);
    if (!value || value->empty()) return absent;
    std::int64_t us = 0;
    if (core::parse_moment(*value, services.clock().wall_us(), us)) return us;
    return bad_parameter(name, *value, core::kMomentForms);
}

core::Result<ListRange> Call::list_range() const {
    ListRange range;
    const auto count = limit();
    if (!count) return core::fail(count.error());
    range.limit = *count;
    for (auto [name, member] :
         {std::pair("from", &ListRange::from_us), std::pair("to", &ListRange::to_us)}) {
        const auto us = time(name, range.*member);
        if (!us) return core::fail(us.error());
        range.*member = *us;
    }
    range.cursor = text("cursor");
    return range;
}

core::Error Call::bad_cursor() {
    return core::Error(core::ErrorCode::kValidation, "cursor is not one that this list gave")
        .in("cursor");
}

core::Result<std::string> Call::key_cursor() const {
    std::string key;
    const std::string cursor = text("cursor");
    if (!cursor.empty() && !store::decode_cursor_key(cursor, key)) return core::fail(bad_cursor());
    return key;
}

core::Result<std::uint64_t> Call::number_cursor() const {
    const auto key = key_cursor();
    if (!key) return core::fail(key.error());
    std::uint64_t number = 0;
    const char* end = key->data() + key->size();
    const auto read = std::from_chars(key->data(), end, number);
    if (!key->empty() && (read.ec != std::errc() || read.ptr != end))
        return core::fail(bad_cursor());
    return number;
}

void read_moment(core::JsonObject& in, std::string_view name, std::int64_t now_us,
                 std::int64_t& us) {
    std::string text;
    if (!in.text(name, text) || core::parse_moment(text, now_us, us)) return;
    in.refuse(name,
              "is \"" + text.substr(0, 64) + "\"; expected " + std::string(core::kMomentForms));
}

std::string encode_key_cursor(std::string_view key) { return store::encode_cursor_key(key); }

core::Result<bool> Call::flag(std::string_view name) const {
    const auto value = request.query_value(name);
    if (!value || *value == "0" || *value == "false") return false;
    if (value->empty() || *value == "1" || *value == "true") return true;
    return bad_parameter(name, *value, "1 or 0");
}

tl::unexpected<core::Error> not_found(std::string_view what, std::string_view id) {
    return core::fail(core::ErrorCode::kNotFound, "no " + std::string(what) + " has the id \"" +
                                                      std::string(id.substr(0, 128)) + "\"");
}

core::Status check_no_members(const Call& call) {
    if (call.request.body_view().find_first_not_of(" \t\r\n") == std::string_view::npos) return {};
    core::JsonDocument document;
    auto in = document.parse_object(call.request.body_view());
    if (!in) return core::fail(std::move(in.error()));
    return in->finish();
}

core::Error busy_aside(Aside length) {
    const std::size_t limit = length == Aside::kHaul ? kHaulsWaitingMax : kLooksWaitingMax;
    const std::string_view what = length == Aside::kHaul
                                      ? " backups and the like are waiting already"
                                      : " long searches, previews and the like are waiting already";
    return core::Error(core::ErrorCode::kRateLimited,
                       "too many slow requests: " + std::to_string(limit) + std::string(what) +
                           ", the most there may be")
        .bound(static_cast<std::int64_t>(limit))
        .retry_after(5);
}

}  // namespace millrace::runtime::api
