// What: the keys of transition rules in which a lane's handlers have made steps that are not
//       durable yet: by emits whose runs go on, or whose commit is under way. What state they will
//       be in nobody knows here; whether a further step is one is found out when it is taken in.
// Threads: its owner's, a lane; what becomes durable is told by any thread.
// Lifetime: what result() gave out may outlive it.
// Limits: kKeysMax steps between two moments at which no run goes on; beyond that every key counts
//         as one of them.
// Failure: none.
#pragma once

#include "runtime/registry/state_book.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace millrace::runtime {

class EmittedSteps {
public:
    static constexpr std::size_t kKeysMax = 4096;

    bool holds(const StateKey& key);
    void add(const StateKey& key);

    // Of a result that is handed over: to be kept until that is durable; empty: it needs nothing.
    // kAllEnded: no run that may have made steps goes on, so that all of them are in results.
    enum class Runs : std::uint8_t { kAllEnded, kSomeGoOn };
    std::function<void()> result(Runs runs);

private:
    struct Settled {
        std::mutex mutex;
        std::vector<StateKey> keys;
    };
    // The steps of some runs: settled when the last result that may hold one of them is.
    struct Group {
        explicit Group(std::shared_ptr<Settled> into) : settled(std::move(into)) {}
        Group(const Group&) = delete;
        Group& operator=(const Group&) = delete;
        ~Group();
        const std::shared_ptr<Settled> settled;
        std::vector<StateKey> keys;  // the owner's while it is open
    };
    void take_settled();

    const std::shared_ptr<Settled> settled_ = std::make_shared<Settled>();
    std::shared_ptr<Group> open_;
    std::unordered_map<StateKey, std::size_t, StateKeyHash> counts_;
};

}  // namespace millrace::runtime
