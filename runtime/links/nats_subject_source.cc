// The source of NATS that listens on a subject.
#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/timestamp.h"
#include "runtime/links/nats_source.h"

namespace millrace::runtime {
namespace {

constexpr std::uint64_t kSubjectSid = 1;

}  // namespace

NatsSubjectSource::NatsSubjectSource(const PeerDeps& deps, const LinkConfig& config,
                                     std::string_view position)
    : clock_(*deps.clock),
      config_(config),
      event_bytes_max_(deps.event_bytes_max),
      connection_(*deps.clock, *deps.rules, nats_place_of(config)),
      before_(position) {}

std::string NatsSubjectSource::position_json() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("since", core::format_timestamp(since_us_));
    json.field("count", count_).end_object();
    return out;
}

// From here on nothing is missed. What was told before, since somebody has listened, is.
void NatsSubjectSource::begin_listening(SourceBatch& batch) {
    listens_ = true;
    if (since_us_ == 0) since_us_ = clock_.wall_us();
    batch.position = position_json();
    if (before_.empty()) return;
    core::JsonDocument document;
    auto position = document.parse_object(before_);
    if (position) position->text("since", batch.missed_from);
    batch.gap = true;
    batch.missed_to = core::format_timestamp(since_us_);
}

std::size_t NatsSubjectSource::turn(SourceBatch& batch) {
    if (trouble()) return 0;
    std::size_t done = 0;
    connection_.turn();
    if (connection_.open() && flush_ == 0) {
        connection_.subscribe(kSubjectSid, config_.subject);
        flush_ = connection_.flush();
        since_us_ = clock_.wall_us();
        ++done;
    }
    NatsMessage message;
    while (!batch.full() && connection_.next(message)) {
        ++done;
        if (message.sid != kSubjectSid) continue;
        const std::string id = std::to_string(since_us_) + "-" + std::to_string(++count_);
        add_nats_message(batch, id, message, event_bytes_max_, clock_.wall_us());
    }
    if (batch.size() > 0) batch.position = position_json();
    if (!listens_ && flush_ != 0 && connection_.flushed() >= flush_) {
        begin_listening(batch);
        ++done;
    }
    connection_.push();
    if (!connection_.error().empty()) fail(connection_.error());
    return done;
}

}  // namespace millrace::runtime
