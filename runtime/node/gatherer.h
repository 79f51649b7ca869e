// What: one request that is asked of several partitions at once: each part goes to the owner of its
//       partition, waits where nobody owns it, is tried again where that is safe, and when all have
//       come to an end the whole is handed back. What it means is the host's business.
// Threads: the front's. Lifetime: the front's; parts are cancelled before they are freed.
// Limits: Gathering::kPartBytesMax of an answer; times are the gathering's own.
// Failure: a part's state says what is known of it.
#pragma once

#include "core/buffer.h"
#include "io/http_client.h"
#include "runtime/node/forward_head.h"
#include "runtime/node/routing.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

class Gatherer;
struct Gathering;

class Part final : public io::HttpExchange {
public:
    enum class State : std::uint8_t {
        kWaits,     // for an owner, or to be tried again
        kAsked,     // on its way
        kAnswered,  // status and text are the owner's
        kNotTaken,  // no owner has had it
        kUnknown,   // one may have
    };
    Part(Gatherer& gatherer, Gathering& whole, std::size_t where)
        : partition(where), gatherer_(gatherer), whole_(whole) {}

    void answer_head(const io::AnswerHead& head) override;
    void answer_bytes(std::string_view bytes) override;
    void answer_end() override;
    void failed(Failure how, std::string_view why) override;

    bool over() const { return state != State::kWaits && state != State::kAsked; }
    bool good() const { return state == State::kAnswered && status >= 200 && status < 300; }
    Gathering& whole() const { return whole_; }

    const std::size_t partition;
    std::string target;
    core::BufferRef body;
    std::string places;                  // kPlacesHeader, where it is this part's own
    std::string order;                   // beside the body (api/part_order.h); empty: none
    std::vector<std::uint32_t> entries;  // of a batch of events, by place

    State state = State::kWaits;
    int status = 0;
    std::string content_type, told, text;
    std::int64_t sent_ns = 0;
    bool may_be_taken = false;  // an earlier try of it
    bool tenant_asked = false;

private:
    Gatherer& gatherer_;
    Gathering& whole_;
};

struct Gathering {
    static constexpr std::size_t kPartBytesMax = 32u << 20;
    // All parts are over; it is gone when this returns.
    using WhenOver = std::function<void(const Gathering& whole)>;

    explicit Gathering(std::uint64_t passage) : waits(passage) {}

    const std::uint64_t waits;  // a passage
    io::Method method = io::Method::kGet;
    HeaderList headers;
    std::string principal, peer;
    bool repeatable = true;
    bool later_where_busy = false;   // a part that is answered 503 is asked again
    std::int64_t hold_until_ns = 0;  // for an owner
    std::int64_t answer_ns = 0;      // from when a part was sent
    std::vector<std::unique_ptr<Part>> parts;
    WhenOver when_over;

    std::uint64_t id = 0;
};

class GatherHost {
public:
    virtual ~GatherHost() = default;
    virtual const Routing& routing() const = 0;
    virtual io::HttpClient& client() = 0;
    virtual std::int64_t now_ns() const = 0;
    virtual std::string head_of(const Gathering& whole, const Part& part) const = 0;
    // The owner does not know the tenant yet: try_again() when it does.
    virtual void tenant_unknown(Gathering& whole, Part& part) = 0;
};

class Gatherer {
public:
    explicit Gatherer(GatherHost& host) : host_(host) {}
    ~Gatherer();
    Gatherer(const Gatherer&) = delete;
    Gatherer& operator=(const Gatherer&) = delete;

    void start(std::unique_ptr<Gathering> whole);
    // Parts that wait are tried, others are given up: now and then, and when owners have changed.
    void look();
    bool idle() const { return running_.empty(); }
    void try_again(std::uint64_t gathering);
    // Whoever has lost a partition answers nothing any more.
    void lost(std::size_t partition);
    void cancel_all();
    // Frees what is over, when nothing of it is on the stack.
    void sweep() { ended_.clear(); }

private:
    friend class Part;
    void send(Part& part);
    void came(Part& part);
    void end_if_over(Gathering& whole);

    GatherHost& host_;
    std::map<std::uint64_t, std::unique_ptr<Gathering>> running_;
    std::vector<std::unique_ptr<Gathering>> ended_;
    std::uint64_t next_ = 1;
};

}  // namespace millrace::runtime::node
