// What: who has something open at a front: streams, sockets, calls. A key may be revoked or changed
//       meanwhile, which only the partition where the keys are knows: it is asked again each
//       kAskNs who somebody is, and whoever is not the same any more has a mark set and is told of.
// Threads: the front's. Lifetime: the front's; marks live as long as who has them.
// Limits: one row for each client's address, credentials and rights; kAskedMax questions each
//         kLookNs, so that beyond kAskedMax * kAskNs / kLookNs of them each waits longer.
// Failure: none; while nobody answers, nothing ends.
#pragma once

#include "runtime/node/front_calls.h"
#include "runtime/node/judged.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime::node {

class OpenWatch {
public:
    static constexpr std::int64_t kAskNs = Judged::kFreshNs;
    static constexpr std::int64_t kLookNs = 100'000'000;
    static constexpr std::size_t kAskedMax = 32;

    // As the front has found out, and as the trusted header says it.
    OpenMark watch(const CallerRef& caller, const std::string& principal, std::int64_t now_ns);
    // `ask`: false, no more can be asked now.
    void look(std::int64_t now_ns, const std::function<bool(const Caller&)>& ask);
    // Who shows this was judged anew. `taken_back` gets the principals that nobody is any more.
    void judged(const std::string& shown, const Judgement& who,
                const std::function<void(const std::string& principal)>& taken_back);
    // Something of the keys was changed here.
    void hurry();
    bool empty() const { return rows_.empty(); }
    std::size_t size() const { return rows_.size(); }

private:
    struct Watched {
        CallerRef caller;
        std::atomic<bool> mark{false};
    };
    struct Row {
        std::weak_ptr<Watched> watched;
        std::int64_t asked_ns = 0;
    };
    using Name = std::pair<std::string, std::string>;  // what is shown, who that was

    std::map<Name, Row> rows_;
    Name next_;  // where looking goes on
    std::int64_t looked_ns_ = 0;
};

}  // namespace millrace::runtime::node
