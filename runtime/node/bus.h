// What: a node's line to NATS: heartbeats of all nodes, META with the sequence that every write
//       expects (so that of two writers one is refused), and streams that are made. The servers are
//       tried in turn.
// Threads: one owner; looking up a host's name holds it up. Lifetime: borrows clock and log.
// Limits: one read and one write of META under way; what is heard waits for next_heartbeat().
// Failure: the line is made again; refusal() says what no further try helps against.
#pragma once

#include "core/clock.h"
#include "core/log.h"
#include "runtime/courier/address_rules.h"
#include "runtime/links/nats_connection.h"
#include "runtime/node/cluster_state.h"
#include "runtime/node/node_settings.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

struct BusNews {
    enum class What : std::uint8_t {
        kOpened,   // the line is there (again)
        kClosed,   // and is not
        kMeta,     // as it is
        kNoMeta,   // nobody has made the cluster
        kWritten,  // the write counts; `meta` is what was written
        kBeaten,   // another write came first: read again
        kUnsure,   // nobody knows: read again
        kStream,   // made, or as it should be: `stream`
        kStreamRefused,
        kAsked,  // somebody asks this node for something: `words`
    };
    What what = What::kOpened;
    Meta meta;
    std::string stream, words;
};

class Bus {
public:
    static constexpr std::int64_t kAgainNs = 200'000'000;

    Bus(const core::Clock& clock, core::Log& log, const NodeSettings& settings, bool allow_old);

    void turn();
    bool open() const { return connection_ && connection_->open() && subscribed_; }
    // The server's version is one that is not served with. Empty: none is.
    const std::string& refusal() const { return refusal_; }
    const std::string& last_error() const { return last_error_; }
    const std::string& server_version() const { return version_; }
    void append_waits(std::vector<pollfd>& fds) const;

    void say(const Heartbeat& heartbeat);
    std::optional<Heartbeat> next_heartbeat();
    std::optional<BusNews> next_news();

    void ask_meta();
    // False: a write is under way, or there is no line.
    bool write_meta(const Meta& next, std::uint64_t expected);
    void make_stream(const std::string& name, std::string_view config);
    // At most once.
    void ask(std::string_view node, std::string_view words);

private:
    enum class Tag : std::uint8_t { kReadMeta, kWriteMeta, kStream };
    static constexpr std::uint64_t kHeartbeats = 1, kAsks = 2;

    void connect();
    void greet();
    void take(const NatsMessage& message);
    void take_meta(const NatsMessage& message);
    void take_write(const NatsMessage& message);
    void take_stream(const NatsMessage& message, const std::string& name);
    void lose(const std::string& why);
    void tell(BusNews::What what) { news_.push_back({what, {}, {}, {}}); }
    std::string subject(std::string_view rest) const {
        return "mr." + settings_.cluster + "." + std::string(rest);
    }

    const core::Clock& clock_;
    core::Log& log_;
    const NodeSettings settings_;
    const bool allow_old_;
    const courier::AddressRules rules_;
    const std::string meta_stream_, meta_subject_;
    std::unique_ptr<NatsConnection> connection_;
    std::size_t next_place_ = 0;
    std::int64_t again_ns_ = 0;
    bool subscribed_ = false;
    std::string refusal_, last_error_, version_;
    std::uint64_t next_tag_ = 1;
    std::map<std::uint64_t, std::pair<Tag, std::string>> asked_;
    bool reading_ = false;
    std::optional<Meta> writing_;
    std::deque<Heartbeat> heard_;
    std::deque<BusNews> news_;
};

}  // namespace millrace::runtime::node
