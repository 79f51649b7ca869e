// The source of NATS that listens on a subject.
#include "runtime/links/nats_source.h"

namespace millrace::runtime {
namespace {

constexpr std::uint64_t kSubjectSid = 1;

}  // namespace

NatsSubjectSource::NatsSubjectSource(const PeerDeps& deps, const LinkConfig& config,
                                     std::string_view position)
    : clock_(*deps.clock),
      config_(config),
      connection_(*deps.clock, *deps.rules, nats_place_of(config)),
      heard_(*deps.clock, position) {}

std::size_t NatsSubjectSource::turn(SourceBatch& batch) {
    if (trouble()) return 0;
    std::size_t done = 0;
    connection_.turn();
    if (connection_.open() && flush_ == 0) {
        connection_.subscribe(kSubjectSid, config_.subject);
        flush_ = connection_.flush();
        heard_.begin();
        ++done;
    }
    NatsMessage message;
    while (!batch.full() && connection_.next(message)) {
        ++done;
        if (message.sid != kSubjectSid) continue;
        add_nats_message(batch, heard_.next_id(), message, clock_.wall_us());
    }
    if (batch.size() > 0) batch.position = heard_.position();
    if (!heard_.listens() && flush_ != 0 && connection_.flushed() >= flush_) {
        heard_.confirmed(batch);
        ++done;
    }
    connection_.push();
    if (!connection_.error().empty()) fail(connection_.error());
    return done;
}

}  // namespace millrace::runtime
