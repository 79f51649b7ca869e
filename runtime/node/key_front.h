// What: a front where a tenant's events live by their keys (cluster.partition_by = "key"), so that
//       each partition has some of them: what comes is cut up, what is asked is asked of all, and
//       what is told is what all have said. KeyDesk is what it needs of the front; a way
//       (runtime/node/key_ways.h) is what happens to one kind of request, by this alone.
// Threads: the front's. Lifetime: the front's; gathered requests are cancelled before the client
//       goes.
// Limits: FrontLimits. Failure: each request is answered by the desk.
#pragma once

#include "core/result.h"
#include "io/body_writer.h"
#include "io/http_client.h"
#include "runtime/node/entry_split.h"
#include "runtime/node/front_limits.h"
#include "runtime/node/gatherer.h"
#include "runtime/node/passage.h"
#include "runtime/node/routing.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::node {

class KeyDesk {
public:
    virtual ~KeyDesk() = default;
    virtual const Routing& routing() const = 0;
    virtual std::int64_t now_ns() const = 0;
    virtual std::int64_t wall_us() const = 0;
    virtual io::HttpClient& client() = 0;
    virtual io::BodyWriter body_writer() = 0;
    virtual std::string_view cluster_token() const = 0;
    virtual const std::string& own_principal() const = 0;  // the cluster's, in tenant default
    virtual FrontFigures& counts() = 0;
    // Nothing: its client is gone.
    virtual Passage* passage_of(std::uint64_t id) = 0;

    // Whole and unread, to one partition.
    virtual void pass_to(Passage& passage, std::size_t partition, std::string_view principal) = 0;
    // Until passage.partition has an owner; then it begins again.
    virtual void hold(Passage& passage) = 0;
    // Its partition does not know its tenant.
    virtual void make_tenant(Passage& passage) = 0;
    virtual void answer(Passage& passage, const core::Error& error) = 0;
    virtual void answer_text(Passage& passage, int status, std::string_view type,
                             std::string_view body) = 0;
    virtual void answer_maybe_taken(Passage& passage) = 0;
    // By the front's own WebSockets and GraphQL, over streams and lists of all partitions.
    virtual void answer_by_sockets(Passage& passage) = 0;
    // What a partition has answered to the passage itself has been told.
    virtual void passed(Passage& passage) = 0;
    // It has been answered, in another way than by the above.
    virtual void finish(Passage& passage) = 0;
    // From its start, and who asks is found out anew.
    virtual void begin_again(Passage& passage) = 0;
};

struct KeyLimits {
    std::size_t event_bytes_max = 0, entries_max = 0;  // of one body of events
};

class KeyFront final : public GatherHost {
public:
    KeyFront(KeyDesk& desk, std::string id_prefix, KeyLimits limits)
        : limits_(limits), desk_(desk), ids_(std::move(id_prefix)) {}

    // ---- the front's
    // A request whose asker is known.
    void go(Passage& passage, std::size_t home);
    // What it changes is in force in its partition: in the others too, and then it is told.
    void follow_up(Passage& passage);
    // The passage's partition looks at what there is, and the passage begins again.
    void make_known(Passage& passage);
    void look() {
        gatherer_.look();
        if (!pulses_.empty()) look_at_pulses();
    }
    bool idle() const { return gatherer_.idle() && pulses_.empty(); }
    // Streams that would never end do.
    void drain();
    void lost(std::size_t partition) { gatherer_.lost(partition); }
    void cancel_all() { gatherer_.cancel_all(); }
    // Frees what is over, when nothing of it is on the stack.
    void sweep();

    // ---- the ways'
    KeyDesk& desk() { return desk_; }
    EntrySplit& split() { return split_; }
    IdMaker& ids() { return ids_; }
    const KeyLimits& limits() const { return limits_; }
    // The passage's request as one of several parts, without any yet.
    std::unique_ptr<Gathering> gathering_of(const Passage& passage) const;
    // The same with each partition as a part, which gets what the client has sent.
    std::unique_ptr<Gathering> gathering_of_all(const Passage& passage);
    // A POST of the front's own, for which a passage waits, `ns` at most.
    std::unique_ptr<Gathering> gathering_of_own(std::uint64_t passage, std::int64_t ns) const;
    Part& add_part(Gathering& whole, std::size_t partition, std::string target);
    // `tell` when all parts are over, if the client is still there.
    using Tell = std::function<void(KeyFront& key, Passage& passage, const Gathering& whole)>;
    void gather(std::unique_ptr<Gathering> whole, Tell tell);
    // Streams of figures, by passage: when each is told again (key_figures.cc).
    std::map<std::uint64_t, std::int64_t>& pulses() { return pulses_; }
    // With when_over of its own: also where the client is gone by then.
    void start(std::unique_ptr<Gathering> whole) { gatherer_.start(std::move(whole)); }
    // A merge that may be on the stack.
    void keep(std::unique_ptr<StreamMerge> merge) { ended_merges_.push_back(std::move(merge)); }

    // ---- GatherHost
    const Routing& routing() const override { return desk_.routing(); }
    io::HttpClient& client() override { return desk_.client(); }
    std::int64_t now_ns() const override { return desk_.now_ns(); }
    std::string head_of(const Gathering& whole, const Part& part) const override;
    void tenant_unknown(Gathering& whole, Part& part) override;

private:
    void make_known(std::size_t partition, std::uint64_t passage, Gathering::WhenOver then);
    void look_at_pulses();

    const KeyLimits limits_;
    KeyDesk& desk_;
    Gatherer gatherer_{*this};
    EntrySplit split_;
    IdMaker ids_;
    std::vector<std::unique_ptr<StreamMerge>> ended_merges_;
    std::map<std::uint64_t, std::int64_t> pulses_;
};

// Of a partition that did not answer where all have to.
core::Error silent_partition(std::size_t partition);
std::string_view value_of(const HeaderList& headers, std::string_view name);
void set_value(HeaderList& headers, std::string_view name, std::string_view value);
// A flag of a query.
bool is_set(const std::optional<std::string>& flag);

}  // namespace millrace::runtime::node
