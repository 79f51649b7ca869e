// What: what every resource handler gets, and the small tools they share: query parameters with
//       named errors, list bodies, times.
// Threads: the API thread. Lifetime: a Call lives for one request.
// Limits: api.h. Failure: kValidation errors that name the parameter.
#pragma once

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/result.h"
#include "core/timestamp.h"
#include "runtime/api/api.h"
#include "runtime/api/services.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime::api {

// What lists by time take.
struct ListRange {
    std::size_t limit = kListLimitDefault;
    std::int64_t from_us = INT64_MIN;
    std::int64_t to_us = INT64_MAX;
    std::string cursor;
};

struct Call {
    Services& services;
    const ApiRequest& request;

    core::TenantId tenant() const { return request.principal.tenant; }
    // The decoded value of a query parameter; "" when absent.
    std::string text(std::string_view name) const {
        return request.query_value(name).value_or(std::string());
    }
    // `limit`, checked.
    core::Result<std::size_t> limit() const;
    // `limit`, `from`, `to` and `cursor`, checked but for the cursor, which is the list's own.
    core::Result<ListRange> list_range() const;
    static core::Error bad_cursor();
    // The key behind which a page begins: what encode_key_cursor() made; "" = from the first.
    core::Result<std::string> key_cursor() const;
    // The same where the key is a number; 0 = from the first.
    core::Result<std::uint64_t> number_cursor() const;
    // A moment (core/moment.h) as microseconds; `absent` when it is not there.
    core::Result<std::int64_t> time(std::string_view name, std::int64_t absent) const;
    // 1, true, 0, false; false when absent, true for a bare `?name`.
    core::Result<bool> flag(std::string_view name) const;
};

// Of a call that is whole without a body: none, or an object with no members, as what stands there
// would be passed over.
core::Status check_no_members(const Call& call);

using Answer = core::Result<ApiResponse>;

inline ApiResponse json_response(int status, std::string&& body) {
    return {.status = status,
            .content_type = "application/json",
            .headers = {},
            .body = std::move(body)};
}

// {"items":[...],"next":...}. Write items with json(), then finish.
class ListBody {
public:
    ListBody() : json_(body_) { json_.begin_object().key("items").begin_array(); }
    core::JsonWriter& json() { return json_; }
    std::size_t bytes() const { return body_.size(); }
    // Of a search that may end before it has found anything: how many it looked at, and what share
    // of all that is (with the pages before), where that is known.
    ApiResponse finish_search(std::string_view next, std::uint64_t scanned,
                              std::optional<double> searched = std::nullopt) {
        json_.end_array().field_or_null("next", next).field("scanned", scanned);
        if (searched) json_.field("searched", *searched);
        json_.end_object();
        return json_response(200, std::move(body_));
    }
    ApiResponse finish(std::string_view next) {
        json_.end_array().field_or_null("next", next).end_object();
        return json_response(200, std::move(body_));
    }

private:
    std::string body_;
    core::JsonWriter json_;
};

inline core::JsonWriter& time_field(core::JsonWriter& json, std::string_view name,
                                    std::int64_t us) {
    return json.field(name, core::format_timestamp(us));
}
inline core::JsonWriter& time_field_or_null(core::JsonWriter& json, std::string_view name,
                                            std::int64_t us) {
    return us == 0 ? json.key(name).value(nullptr) : time_field(json, name, us);
}

// A member that is a moment (core/moment.h); `us` stays when there is none.
void read_moment(core::JsonObject& in, std::string_view name, std::int64_t now_us,
                 std::int64_t& us);

// What a client sees of the key that a page ends with: any bytes, and nobody takes it for a name.
std::string encode_key_cursor(std::string_view key);

// When Services::run_aside() refuses.
core::Error busy_aside(Aside length);

tl::unexpected<core::Error> not_found(std::string_view what, std::string_view id);

}  // namespace millrace::runtime::api
