// What: the edge's side of asking keepers (identity_keeper.h). A request with items that have to
//       ask goes in rounds: ask every keeper concerned, append what is granted (or has been taken:
//       its home says where) at the homes, and when these are done let go of what was granted.
//       Items whose identity is on its way with another request come again in a later round;
//       nothing is held meanwhile, so that requests never wait for each other in a circle.
//       What is all or none is appended when all of it is settled; until then it asks for
//       everything again.
//       Requests with partition keys go to the homes in the order in which they came: one behind
//       others that are still asking waits for them, even if it has nothing to ask.
// Threads: the edge shard's. Lifetime: borrows the requests until it gives them back.
// Limits: the requests under way. Failure: none; of a request that failed nothing comes again.
#pragma once

#include "core/ids.h"
#include "runtime/shard/ingest_request.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <utility>

namespace millrace::runtime {

class KeeperRounds {
public:
    struct Handlers {
        // To the keeper; answered() or released() follows, perhaps at once.
        std::function<void(core::ShardId keeper, IngestRequest&)> ask;
        std::function<void(core::ShardId keeper, IngestRequest&)> release;
        // To the homes, as by_home says.
        std::function<void(IngestRequest&)> append;
        // Nobody needs the request any more.
        std::function<void(IngestRequest&)> give_back;
    };
    explicit KeeperRounds(Handlers handlers) : handlers_(std::move(handlers)) {}

    // False: it may go to its homes at once.
    bool must_wait(const IngestRequest& request) const {
        return request.asks || (request.keyed && !queue_.empty());
    }
    void begin(IngestRequest& request);
    void answered(IngestRequest& request);
    // All homes are done with this round. False: the request is answered by the caller now. What it
    // was granted is let go either way, and at the end it is given back.
    bool comes_again(const IngestRequest& request) const {
        return request.again() && !request.failed();
    }
    void end_round(IngestRequest& request);
    void released(IngestRequest& request);

    // Begins the rounds whose time has come.
    std::size_t do_work(std::int64_t now_us);
    // The owner may sleep so long at most, for this part's sake.
    std::int64_t sleep_limit_us(std::int64_t timeout_us) const {
        return again_.empty() ? timeout_us : std::min(timeout_us, kAgainUs);
    }

private:
    // A commit takes longer mostly, and asking costs little.
    static constexpr std::int64_t kAgainUs = 300;
    static constexpr std::uint32_t kTurns = 8;
    struct Again {
        IngestRequest* request = nullptr;
        std::int64_t at_us = 0;
    };

    void ask(IngestRequest& request);
    void go_on(IngestRequest& request);
    // Of what is all or none: every item can be appended, or has been taken.
    bool settled(IngestRequest& request);
    void send_on(IngestRequest& request);

    const Handlers handlers_;
    std::deque<IngestRequest*> queue_;  // first rounds, as they came
    std::deque<Again> again_;
    std::map<store::IdHash, const IngestItem*> first_of_;  // while settled() runs
    std::int64_t now_us_ = 0;
};

}  // namespace millrace::runtime
