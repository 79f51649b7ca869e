// What: which endpoint a path leads to, whether it may be called now, and the answers that are kept
//       for an Idempotency-Key.
// Threads: the API thread. Lifetime: borrows the database for a call.
// Limits: kKeptAnswersMax answers for kAnswerKeptUs; an older one leaves with a newer one. Buckets:
//       one an endpoint with a rate.
// Failure: 409 for a key that came with another request, or whose first request is under way.
#pragma once

#include "core/result.h"
#include "runtime/delivery/endpoint_answer.h"
#include "runtime/registry/registry_snapshot.h"
#include "store/database.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace millrace::runtime::api {

inline constexpr std::int64_t kAnswerKeptUs = 24LL * 3600 * 1'000'000;
inline constexpr std::size_t kKeptAnswersMax = 100'000;

using RouteParams = std::vector<std::pair<std::string, std::string>>;

struct EndpointMatch {
    EndpointRef endpoint;  // null: none
    RouteParams params;
};

class EndpointTable {
public:
    EndpointTable();
    ~EndpointTable();

    // `path` is decoded and has no slash in front. A word wins over a parameter, that over *.
    EndpointMatch find(const RegistrySnapshot& registry, core::TenantId tenant,
                       std::string_view method, std::string_view path);

    // Milliseconds until the next call; 0: now, and it is counted.
    std::int64_t wait_ms(const Endpoint& endpoint, std::int64_t now_ns);

    // The row's id of a key.
    static std::string answer_id(const Endpoint& endpoint, std::string_view key,
                                 std::string_view caller);
    // What was answered to it; none: it is to run now, and end() is called when it has.
    core::Result<std::optional<EndpointAnswer>> begin(store::Database& database,
                                                      const std::string& id,
                                                      std::uint64_t request_hash,
                                                      std::int64_t now_us);
    void end(const std::string& id, bool kept, std::int64_t now_us);
    // Rows that leave with the next answer.
    std::vector<std::string> take_old(store::Database& database, std::int64_t now_us);

private:
    struct Node;
    void build(const RegistrySnapshot& registry);
    static bool walk(const Node& node, std::string_view path, std::vector<std::string>& values,
                     EndpointRef& found);

    struct Bucket {
        double tokens = 0;
        std::int64_t at_ns = 0;
    };
    std::uint64_t built_of_ = 0;
    std::map<std::pair<std::uint32_t, std::string>, std::unique_ptr<Node>> roots_;
    std::unordered_map<std::uint32_t, Bucket> buckets_;
    std::set<std::string, std::less<>> under_way_;
    std::deque<std::pair<std::int64_t, std::string>> kept_;  // oldest first
    bool loaded_ = false;
};

}  // namespace millrace::runtime::api
