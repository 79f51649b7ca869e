#include "runtime/hub/edge_events.h"

#include "core/buffer.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/event/event_source.h"
#include "runtime/event/json_scan.h"
#include "runtime/event/misfit.h"
#include "runtime/event/own_events.h"
#include "runtime/event/trace_context.h"
#include "store/log/event_id.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::hub {
namespace {

using core::EnvelopeField;

// An object of so many bytes has fewer members than an object may have.
constexpr std::size_t kSureBytesMax = core::kJsonKeysPerObjectMax;

// What has been there is said anew.
bool is_replaced(std::string_view key, bool new_id) {
    return key == R"("source")" || key == R"("tenantId")" || key == R"("x-edge")" ||
           (new_id && key == R"("eventId")");
}

}  // namespace

EdgeEvents::EdgeEvents(std::size_t event_bytes_max)
    : event_bytes_max_(event_bytes_max), parser_({.event_bytes_max = event_bytes_max}) {}

// An id that some server has made means a place in its own log: here it would mean another.
void EdgeEvents::make_id(const EdgeNode& edge, const BatchEvent& event) {
    const std::string_view own = event.id.empty() ? envelope_.event_id : event.id;
    id_.clear();
    if (!event.id.empty() || store::has_event_id_form(own)) id_.append(edge.id).append(":");
    id_ += own;
}

// Whatever else stands in a source stays.
void EdgeEvents::append_source(std::string_view sent) {
    text_ += R"("source":{"type":)";
    const EventSource source = source_of(envelope_);
    core::append_json_string(text_, source.type);
    text_ += R"(,"id":)";
    core::append_json_string(text_, source_id_);
    if (!sent.empty()) {
        (void)scan_members(sent, [&](std::string_view key, std::string_view value) {
            if (key != R"("type")" && key != R"("id")")
                text_.append(",").append(key).append(":").append(value);
            return true;
        });
    }
    text_ += '}';
}

void EdgeEvents::append_beside(const EdgeNode& edge, std::uint32_t shard, const BatchEvent& event) {
    const std::string received = core::format_timestamp(event.received_at_us);
    if (!envelope_.has(EnvelopeField::kTimestamp))
        text_.append(R"(,"timestamp":")").append(received).append("\"");
    text_.append(R"(,"x-edge":{"node":")").append(edge.id).append(R"(","shard":)");
    text_.append(std::to_string(shard)).append(R"(,"offset":)");
    text_.append(std::to_string(event.offset)).append(R"(,"receivedAt":")");
    text_.append(received).append("\"}");
}

core::Status EdgeEvents::check() {
    const std::size_t bytes = text_.size();
    text_.append(core::kPaddingBytes, ' ');
    text_.resize(bytes);
    core::Envelope made;
    return parser_.parse_one(text_, nullptr, made, nullptr);
}

core::Status EdgeEvents::make(const EdgeNode& edge, std::uint32_t shard, const BatchEvent& event) {
    envelope_ = {};
    if (auto read = parser_.parse_one(event.text, nullptr, envelope_, nullptr); !read) return read;
    if (is_own_event(envelope_.pattern)) return core::fail(own_event_refused());
    make_id(edge, event);
    const bool new_id = id_ != envelope_.event_id;
    source_id_.assign(edge.id).append("/").append(source_of(envelope_).id);
    text_ = "{";
    if (new_id) {
        text_ += R"("eventId":)";
        core::append_json_string(text_, id_);
        text_ += ',';
    }
    append_source(envelope_.has(EnvelopeField::kSource) ? member_of(event.text, R"("source")")
                                                        : std::string_view());
    append_beside(edge, shard, event);
    const bool cut = scan_members(event.text, [&](std::string_view key, std::string_view value) {
        if (!is_replaced(key, new_id)) text_.append(",").append(key).append(":").append(value);
        return true;
    });
    if (!cut) return core::fail(core::ErrorCode::kValidation, "is no object");
    text_ += '}';
    return is_sure(event) ? core::Status{} : check();
}

// What was read above is one event still: nothing has become too long or too much, and no name with
// escapes can stand twice.
bool EdgeEvents::is_sure(const BatchEvent& event) const {
    return event.text.size() <= kSureBytesMax && text_.size() <= event_bytes_max_ &&
           id_.size() <= core::kEventIdBytesMax && source_id_.size() <= core::kEventIdBytesMax &&
           event.text.find('\\') == std::string_view::npos;
}

void EdgeEvents::make_letter(const EdgeNode& edge, std::uint32_t shard, const BatchEvent& event,
                             std::string_view why) {
    if (id_.empty())
        id_ = edge.id + ":" + std::to_string(shard) + ":" + std::to_string(event.offset) + ":" +
              hash_text(core::hash_key(event.text));
    text_.clear();
    append_poison_event(text_,
                        {.event_id = id_,
                         .pattern = kEdgeRejectedPattern,
                         .source = {"integration", edge.id},
                         .why = why,
                         .place = "x-edge",
                         .bytes = event.text,
                         .whole_bytes = event.text.size()},
                        [&](core::JsonWriter& json) {
                            json.field("node", edge.id).field("shard", shard);
                            json.field("offset", event.offset);
                        });
}

std::size_t EdgeEvents::append(const EdgeNode& edge, const Batch& batch, std::string& lines,
                               LaneResult& result) {
    std::size_t letters = 0;
    for (const BatchEvent& event : batch.events) {
        id_.clear();
        // Not believed: an edge is a machine out of the house.
        if (std::string trace = checked_trace(event.trace); !trace.empty())
            result.traces.push_back(
                {static_cast<std::uint32_t>(result.emitted_tenants.size()), std::move(trace)});
        if (auto made = make(edge, shard_of(batch.head.lane), event); !made) {
            make_letter(edge, shard_of(batch.head.lane), event, made.error().message);
            result.letters.push_back({static_cast<std::uint32_t>(result.emitted_tenants.size()),
                                      kEdgeRejectedPattern, id_,
                                      "edge " + edge.id + ": " + made.error().message});
            ++letters;
        }
        // Blanks between members: inside of texts there are none of them.
        for (const char c : {'\n', '\r'})
            if (text_.find(c) != std::string::npos)
                std::replace(text_.begin(), text_.end(), c, ' ');
        lines.append(text_).append("\n");
        result.emitted_depths.push_back(
            std::min<std::uint8_t>(event.depth, core::kCausationDepthMax));
        result.emitted_tenants.push_back(edge.tenant);
    }
    return letters;
}

}  // namespace millrace::runtime::hub
