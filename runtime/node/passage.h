// What: one request on its way through a front: what came, whose it is, where it goes, and what
//       comes back. Beside it the two small requests that a front makes by itself: who is asking,
//       and a tenant made known to its partition.
// Threads: the front's. Lifetime: the front's; exchanges are cancelled before they are freed.
// Limits: the front's. Failure: told to the host.
#pragma once

#include "core/buffer.h"
#include "io/body_writer.h"
#include "io/http_client.h"
#include "io/http_server.h"
#include "runtime/node/forward_head.h"
#include "runtime/node/front_calls.h"
#include "runtime/node/front_routes.h"
#include "runtime/node/judged.h"
#include "runtime/node/passage_answer.h"
#include "runtime/node/stream_merge.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::node {

// What one node tells another where a request's owner was lost in the midst.
inline constexpr std::string_view kMaybeTaken = "maybe-taken";

class Passage;
class Judging;
class TenantMaking;
class MetricsAsking;

class PassageHost {
public:
    virtual ~PassageHost() = default;
    // The answer is whole.
    virtual void passed(Passage& passage) = 0;
    // Nothing of it has come; it may be tried again, or not.
    virtual void cut(Passage& passage, io::HttpExchange::Failure how) = 0;
    // Whoever was asked does not own, and has done nothing.
    virtual void not_here(Passage& passage) = 0;
    virtual void make_tenant(Passage& passage) = 0;
    // True: the answer waits until the host lets it go.
    virtual bool holds(Passage& passage) = 0;
    virtual void stream_began(Passage& passage) = 0;
    virtual io::HttpClient& client() = 0;
    virtual void judged(Judging& judging) = 0;
    virtual void tenant_made(TenantMaking& making) = 0;
    virtual void metrics_came(MetricsAsking& asking) = 0;
};

class Passage final : public io::HttpExchange {
public:
    Passage(PassageHost& host, io::HttpServer& server, std::uint64_t id)
        : host_(host), server_(server), id_(id) {}

    void answer_head(const io::AnswerHead& head) override;
    void answer_bytes(std::string_view bytes) override;
    void answer_end() override;
    void failed(Failure how, std::string_view why) override;

    // The client's side of a stream.
    void drained();
    void closed() {
        if (merge) merge->cancel();
        if (under_way()) host_.client().cancel(*this);
    }
    // What several partitions tell, as one stream; or what the front tells by itself.
    void begin_merged();
    void tell(std::string_view bytes);
    void end_merged();
    bool from_client(std::string_view bytes) { return host_.client().write(*this, bytes); }
    bool streams() const { return stream_.has_value(); }
    // Its client has not read yet what it was told.
    bool is_behind() const { return !pending_.empty(); }
    io::StreamToken stream() const { return *stream_; }

    std::uint64_t id() const { return id_; }
    PassageAnswer& server() { return server_; }
    // Asked by the front itself.
    bool is_own() const { return server_.is_own(); }
    int status() const { return status_; }
    std::string_view body_view() const { return body ? body.view() : std::string_view(); }
    // Gives the whole answer to the client.
    void respond();
    // Before it is tried again.
    void forget_answer();

    // What came.
    io::RequestToken token;
    io::Method method = io::Method::kGet;
    std::string target, path;                   // the path decoded
    std::string query_tenant, query_partition;  // the first by an edge's token too
    HeaderList headers;
    core::BufferRef body;
    std::string peer;
    io::Peer client;
    bool from_loopback = false;
    bool upgrade = false;
    bool is_private = false;
    std::string shown;      // the digest of it
    std::string query_key;  // where one counts

    // What has become of it.
    FrontRoute route;
    JudgementRef who;
    OpenMark mark;            // of a stream
    std::int64_t cut_ns = 0;  // when it is cut off, whatever its owner says
    std::size_t partition = 0;
    std::int64_t deadline_ns = 0;
    std::int64_t sent_ns = 0;  // of events that may have been taken: for the first time
    unsigned tries = 0;
    bool held = false;
    bool goes_on = false;  // from a process of this node to another one
    bool tenant_made = false;
    bool only_who = false;     // its answer is who asks, as the trusted header says it
    bool maybe_taken = false;  // it went out, and nobody knows what became of it
    // Where events live by their keys.
    bool follows = false;  // what it changes has to be in force everywhere before it is told
    std::unique_ptr<StreamMerge> merge;
    std::optional<std::size_t> decided;  // the partition that it goes to whole

private:
    enum class Taken : std::uint8_t { kWhole, kStream, kNotHere, kUnknownTenant, kMaybe };

    void begin_stream(const io::AnswerHead& head);
    void flush_pending();
    void pause_source();

    PassageHost& host_;
    PassageAnswer server_;
    const std::uint64_t id_;
    Taken taken_ = Taken::kWhole;
    int status_ = 0;
    std::string content_type_;
    HeaderList answer_headers_;
    std::optional<io::BodyWriter> answer_;
    std::optional<io::StreamToken> stream_;
    std::string pending_;  // of a stream that its client does not read
    bool over_ = false;    // nothing more comes into pending_
};

// GET /v2/me where the keys are: who shows this?
class Judging final : public io::HttpExchange {
public:
    Judging(PassageHost& host, std::string what, std::int64_t now_ns)
        : shown(std::move(what)), begun_ns(now_ns), host_(host) {}

    void answer_head(const io::AnswerHead& head) override;
    void answer_bytes(std::string_view bytes) override { body.append(bytes); }
    void answer_end() override { host_.judged(*this); }
    void failed(Failure /*how*/, std::string_view /*why*/) override {
        status = 0;
        host_.judged(*this);
    }

    const std::string shown;
    const std::int64_t begun_ns;
    std::vector<std::uint64_t> waiting;  // passages
    int status = 0;                      // 0: nobody has answered
    bool not_here = false;
    std::string principal, body;

private:
    PassageHost& host_;
};

// DELETE /cluster/principal: whoever answers ends what that one has open.
class TakingBack final : public io::HttpExchange {
public:
    explicit TakingBack(std::int64_t now_ns) : begun_ns(now_ns) {}
    void answer_head(const io::AnswerHead& /*head*/) override {}
    void answer_bytes(std::string_view /*bytes*/) override {}
    void answer_end() override {}
    void failed(Failure /*how*/, std::string_view /*why*/) override {}

    const std::int64_t begun_ns;
};

// A tenant's document from where the keys are, made again in the partition where its things live.
class TenantMaking final : public io::HttpExchange {
public:
    // kAgain: it has changed where the keys are, and may be known there already.
    enum class What : std::uint8_t { kNew, kAgain };
    TenantMaking(PassageHost& host, std::string name, std::size_t where, What what)
        : tenant(std::move(name)), partition(where), again(what == What::kAgain), host_(host) {}
    std::string name() const { return std::to_string(partition) + " " + tenant; }

    void answer_head(const io::AnswerHead& head) override {
        status = head.status;
        body.clear();
    }
    void answer_bytes(std::string_view bytes) override { body.append(bytes); }
    void answer_end() override { host_.tenant_made(*this); }
    void failed(Failure /*how*/, std::string_view /*why*/) override {
        status = 0;
        host_.tenant_made(*this);
    }

    const std::string tenant;
    const std::size_t partition;
    const bool again;
    std::vector<std::uint64_t> waiting;
    bool has_document = false;
    int status = 0;
    std::string body;

private:
    PassageHost& host_;
};

// GET /metrics of a partition that is owned here; for one who waits for those of all.
class MetricsAsking final : public io::HttpExchange {
public:
    MetricsAsking(PassageHost& host, std::uint64_t passage, std::size_t where, std::int64_t now_ns)
        : waiting(passage), partition(where), begun_ns(now_ns), host_(host) {}

    void answer_head(const io::AnswerHead& head) override { good = head.status == 200; }
    void answer_bytes(std::string_view bytes) override { body.append(bytes); }
    void answer_end() override { host_.metrics_came(*this); }
    void failed(Failure /*how*/, std::string_view /*why*/) override {
        good = false;
        host_.metrics_came(*this);
    }

    const std::uint64_t waiting;
    const std::size_t partition;
    const std::int64_t begun_ns;
    bool good = false;
    bool over = false;
    std::string body;

private:
    PassageHost& host_;
};

}  // namespace millrace::runtime::node
