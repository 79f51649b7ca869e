// What: one link as its agent has it: the document, its peer, and what is under way.
// Threads: the links'. Lifetime: of the agent. Limits: kUnderWayMax commits of a source.
// Failure: none here.
#pragma once

#include "core/metrics.h"
#include "runtime/links/link_logs.h"
#include "runtime/links/link_peer.h"
#include "runtime/links/link_state.h"
#include "runtime/links/link_stream.h"
#include "runtime/registry/document_kinds.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace millrace::runtime {

struct LinkRun {
    static constexpr std::size_t kUnderWayMax = 4;
    static constexpr std::int64_t kRetryNsMin = 100'000'000;
    static constexpr std::int64_t kRetryNsMax = 10'000'000'000;

    LinkRef link;
    LinkState state;
    std::int64_t retry_ns = kRetryNsMin;  // how long the next failure waits
    std::int64_t try_at_ns = 0;           // not before
    bool had_error = false;               // since it was ready last

    // What the link's script is at: the number of that job; 0: nothing. Its peer waits for it.
    std::uint64_t shaping = 0;

    LinkLogs logs;  // of the script

    // Of a source.
    std::unique_ptr<LinkSource> source;
    std::uint64_t sources = 0;  // that were opened: which one a commit is of
    SourceBatch batch;
    std::size_t batch_paid = 0;  // of its entries: the tenant may send them
    bool batch_waits = false;    // for what the tenant may send
    std::size_t under_way = 0;   // commits
    // By its shard; `state` has of these what a row is begun with.
    std::shared_ptr<LinkCounts> counts = std::make_shared<LinkCounts>();

    // Of a sink.
    std::unique_ptr<LinkSink> sink;
    std::shared_ptr<SinkMemory> sink_memory;
    // Overflow policy: what is beyond fails, and its delivery is tried again.
    static constexpr std::size_t kWaitingBytesMax = 32u << 20;
    std::deque<SinkText> waiting;
    std::size_t waiting_bytes = 0;
    std::set<std::uint64_t> given;  // tickets
    std::uint64_t sent = 0, failed = 0;
    // Of a stream; it stays when its peer goes.
    static constexpr std::int64_t kPositionKeptNs = 200'000'000;  // this often at most
    std::unique_ptr<LinkStream> stream;
    std::int64_t position_kept_ns = 0;

    struct Figures {
        core::Counter taken, duplicates, rejected, left_out, missed, sent, failed;
        core::Gauge lag, up;
        std::uint64_t told_taken = 0, told_duplicates = 0, told_rejected = 0, told_left_out = 0,
                      told_missed = 0, told_sent = 0, told_failed = 0;
    } figures;

    LinkPeer* peer() const {
        return source ? static_cast<LinkPeer*>(source.get()) : static_cast<LinkPeer*>(sink.get());
    }
    void leave_peer() {
        source = nullptr;
        sink = nullptr;
        batch.clear();
        batch_waits = false;
        batch_paid = 0;
        shaping = 0;
        if (stream) stream->begin_anew();
    }
    // Tries again at once.
    void begin_anew() {
        retry_ns = kRetryNsMin;
        try_at_ns = 0;
        had_error = false;
    }
    bool source_wanted() const { return link->direction == LinkDirection::kIn; }
};

}  // namespace millrace::runtime
