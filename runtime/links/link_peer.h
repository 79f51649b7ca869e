// What: the two ends of a link as its agent sees them: a source that is read from a position, and a
//       sink that texts are sent to. A type of link is an implementation of one or both; it knows
//       its peer and nothing of registry, log or deliveries.
// Threads: the links' own. None of the calls blocks, but for what names of hosts and files cost.
// Lifetime: made when its peer is wanted, gone when it is not or when it said trouble().
// Limits: a turn is bounded by a batch, or kSinkTurnTexts; a sink gets no more while kSinkUnsentMax
//         bytes wait for its peer.
// Failure: trouble() says what and whether it is worth trying again. A source never skips
//          anything by itself: what it can not find any more stops it.
#pragma once

#include "core/clock.h"
#include "runtime/courier/address_rules.h"
#include "runtime/links/source_batch.h"
#include "runtime/registry/link.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <poll.h>

namespace millrace::runtime {

class ClosingThread;
class FileAccess;

// What is read before it is taken, where a library reads ahead.
inline constexpr std::size_t kReadAheadBytesMax = 8u << 20;
inline constexpr std::size_t kReadAheadBytesMin = 256u << 10;

// What a sink knows beyond one connection; its own to say what.
class SinkMemory {
public:
    virtual ~SinkMemory() = default;
};

// What a peer is made with. Texts of `config` have their secrets filled in.
struct PeerDeps {
    const core::Clock* clock = nullptr;
    const courier::AddressRules* rules = nullptr;
    const FileAccess* files = nullptr;
    bool probes = false;  // whether it could be used is all that is asked: nothing is made
    ClosingThread* closing = nullptr;                   // for libraries whose end takes time
    std::size_t read_ahead_bytes = kReadAheadBytesMax;  // what a library may hold of a source
    // Of the sinks of one link, one after the other: what one leaves the next one finds. Null:
    // nothing is kept.
    std::shared_ptr<SinkMemory>* sink_memory = nullptr;
    // Whose links they are, the same after a start and on another node: names by which peers know
    // us hold it. 0: nobody's in particular.
    std::uint64_t server_mark = 0;
    // Of several, each of which has sinks of its own of the same link; nothing: the only one.
    std::optional<std::size_t> partition = std::nullopt;
};

struct PeerTrouble {
    bool stops = false;  // a person has to look at it; else it is tried again
    std::string why;
};

class LinkPeer {
public:
    virtual ~LinkPeer() = default;

    // It is there and lets us in.
    virtual bool ready() const = 0;
    const std::optional<PeerTrouble>& trouble() const { return trouble_; }
    // What is no trouble and keeps it from being ready; empty: nothing.
    virtual std::string_view waits_because() const { return {}; }
    // What to wait for beside the time; false: nothing.
    virtual bool waits_for(pollfd&) const { return false; }

protected:
    void fail(std::string why) {
        if (!trouble_) trouble_ = PeerTrouble{false, std::move(why)};
    }
    void stop(std::string why) {
        if (!trouble_) trouble_ = PeerTrouble{true, std::move(why)};
    }

private:
    std::optional<PeerTrouble> trouble_;
};

class LinkSource : public LinkPeer {
public:
    // Reads what there is, behind what it has read; `batch` is empty. What it did.
    virtual std::size_t turn(SourceBatch& batch) = 0;
    // A batch's SourceBatch::acknowledges, when it is durable: for peers that are told.
    virtual void kept(std::uint64_t) {}
    // What is there and not read yet, in lag_unit(); nothing: not known.
    virtual std::optional<std::uint64_t> lag() const = 0;
    virtual std::string_view lag_unit() const = 0;
};

struct SinkText {
    std::uint64_t ticket = 0;
    std::string id;  // of the event
    std::string pattern;
    std::string text;        // the envelope
    std::string identity{};  // id and source: what no other event has
    // W3C Trace Context; empty: none.
    std::string traceparent{};
    std::string tracestate{};
    std::string key{};       // the event's partition key; empty: none
    std::string delivery{};  // the same whenever it is sent, and no other one's
};

struct SinkAnswer {
    std::uint64_t ticket = 0;
    std::string error;  // empty: it has it
    // The text, where no other try could end differently; null: it may be tried again.
    std::shared_ptr<SinkText> returned{};
};

// What is known before it is sent.
inline SinkAnswer never_goes(SinkText&& text, std::string why) {
    const std::uint64_t ticket = text.ticket;
    return {ticket, std::move(why), std::make_shared<SinkText>(std::move(text))};
}

class LinkSink : public LinkPeer {
public:
    static constexpr std::size_t kSinkTurnTexts = 1'024;
    static constexpr std::size_t kSinkUnsentMax = 4u << 20;  // and one text more

    // Only while ready(). What was given and not answered when trouble() comes may have arrived.
    virtual void send(SinkText&& text) = 0;
    virtual std::size_t turn(std::vector<SinkAnswer>& answers) = 0;
    // Given and not answered.
    virtual std::size_t pending() const = 0;
    // Bytes that the peer has not taken.
    virtual std::size_t unsent() const { return 0; }
    bool has_room() const { return pending() < kSinkTurnTexts && unsent() < kSinkUnsentMax; }
};

// `position`: of an earlier batch; empty: config.from.
std::unique_ptr<LinkSource> make_source(const PeerDeps& deps, const Link& link,
                                        const LinkConfig& config, std::string_view position);
std::unique_ptr<LinkSink> make_sink(const PeerDeps& deps, const Link& link,
                                    const LinkConfig& config);

}  // namespace millrace::runtime
