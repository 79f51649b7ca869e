#include "runtime/node/front_queries.h"

#include "core/percent_encode.h"
#include "runtime/api/list_places.h"
#include "runtime/node/page_merge.h"
#include "runtime/node/stream_merge.h"
#include "runtime/node/told_error.h"
#include "runtime/stream/event_tail.h"

#include <memory>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {
namespace {

class CallAnswer final : public OwnAnswer {
public:
    explicit CallAnswer(graphql::QueryPort::Told told) : told_(std::move(told)) {}
    void whole(int status, std::string_view body) override { told_(status, std::string(body)); }

private:
    const graphql::QueryPort::Told told_;
};

// The first place that a stream tells.
class PlaceAnswer final : public OwnAnswer {
public:
    using Told = std::function<void(core::Result<std::string>&&)>;
    explicit PlaceAnswer(Told told) : told_(std::move(told)) {}
    void whole(int /*status*/, std::string_view body) override {
        tell(core::fail(read_error_body(body)));
    }
    bool begins() override { return true; }
    io::WriteOutcome bytes(std::string_view bytes) override {
        std::string place;
        const bool reads = reader_.feed(bytes, [&](const SseReader::Message& message) {
            if (place.empty()) place = message.id;
        });
        if (place.empty() && reads) return io::WriteOutcome::kOk;
        if (place.empty())
            tell(core::fail(core::ErrorCode::kInternal, "what a partition tells does not read"));
        else
            tell(std::move(place));
        return io::WriteOutcome::kClosed;
    }
    void ended() override {
        tell(core::fail(core::ErrorCode::kUnavailable, "a partition has no owner; come again"));
    }

private:
    void tell(core::Result<std::string>&& place) {
        if (const Told told = std::exchange(told_, {})) told(std::move(place));
    }
    Told told_;
    SseReader reader_;
};

}  // namespace

void FrontQueries::call(const identity::Principal& /*who*/, graphql::QueryCall&& call, Told told) {
    OwnRequest own;
    own.caller = caller_;
    own.target = call.path;
    if (call.by_id) {
        own.target += '/';
        core::append_percent_encoded(own.target, call.id);
    }
    if (!call.query.empty()) (own.target += '?') += call.query;
    calls_.ask(std::move(own), std::make_unique<CallAnswer>(std::move(told)));
}

void FrontQueries::position(const identity::Principal& /*who*/,
                            std::function<void(core::Result<std::string>&&)> told) {
    OwnRequest own;
    own.caller = caller_;
    own.target = "/v2/events/stream";
    own.headers.emplace_back(api::kPlacesHeader, "1");
    calls_.ask(std::move(own), std::make_unique<PlaceAnswer>(std::move(told)));
}

std::string FrontQueries::position_behind(const core::JsonElement& event, std::size_t partitions) {
    core::JsonElement member;
    std::uint64_t partition = 0, offset = 0;
    std::string_view received;
    if (!event.find("partition", member) || !member.get(partition) || partition >= partitions ||
        !event.find("offset", member) || !member.get(offset) || !event.find("receivedAt", member) ||
        !member.get(received))
        return {};
    MergedCursor places(partitions, std::string(received));
    places[partition] = encode_stream_position({core::LogOffset{offset + 1}});
    return write_merged_cursor(places);
}

}  // namespace millrace::runtime::node
