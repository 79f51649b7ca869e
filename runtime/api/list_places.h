// What: where each item of a list stands, beside the list, for the front of a cluster that makes
//       one list of several partitions' (runtime/node/page_merge.h): the time that it is in order
//       of, and the cursor that goes on behind it. Asked for by the header kPlacesHeader, which no
//       client gets past a front.
// Threads: the API thread, or whoever makes the list. Lifetime: a value.
// Limits: the list's. Failure: none.
#pragma once

#include "core/json_writer.h"
#include "runtime/api/api.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::api {

inline constexpr std::string_view kPlacesHeader = "Millrace-Places";
// Of GET /v2/events/stream, said by a front (edge/followed_stream.h): what it follows, where that
// is not events.
inline constexpr std::string_view kStreamKindHeader = "Millrace-Stream";
inline constexpr std::string_view kLettersStream = "deadLetters";
inline constexpr std::string_view kExecutionsStream = "executions";

class ListPlaces {
public:
    explicit ListPlaces(const ApiRequest& request)
        : wanted_(!request.header(kPlacesHeader).empty()) {
        if (wanted_) json_.begin_array();
    }
    ListPlaces(const ListPlaces&) = delete;
    ListPlaces& operator=(const ListPlaces&) = delete;

    bool wanted() const { return wanted_; }
    // `behind`: as far as the list can say it; what is behind a page's last item is its own `next`.
    void add(std::int64_t at_us, std::string_view behind) {
        json_.begin_object().field("at", at_us).field("next", behind).end_object();
    }
    // Where the page began, whatever comes in later.
    void begin_at(std::string_view cursor) {
        if (begin_.empty()) begin_ = cursor;
    }
    // The whole of them into an answer that is one object.
    void append_to(ApiResponse& response) {
        if (!wanted_) return;
        json_.end_array();
        response.body.pop_back();
        response.body += ",\"places\":" + text_ + ",\"begin\":";
        core::append_json_string(response.body, begin_);
        response.body += '}';
    }

private:
    const bool wanted_;
    std::string text_, begin_;
    core::JsonWriter json_{text_};
};

}  // namespace millrace::runtime::api
