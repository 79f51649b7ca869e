#include "runtime/api/endpoint_table.h"

#include "core/hex.h"
#include "store/rows/registry_store.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

namespace millrace::runtime::api {

struct EndpointTable::Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> words;
    std::unique_ptr<Node> parameter;
    EndpointRef ends, takes_rest;
};

EndpointTable::EndpointTable() = default;
EndpointTable::~EndpointTable() = default;

namespace {

std::string_view take_segment(std::string_view& path) {
    const std::string_view segment = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), segment.size() + 1));
    return segment;
}

}  // namespace

void EndpointTable::build(const RegistrySnapshot& registry) {
    roots_.clear();
    registry.endpoints.for_each([this](const EndpointRef& endpoint) {
        auto& root = roots_[{endpoint->tenant.value, endpoint->method}];
        if (!root) root = std::make_unique<Node>();
        Node* node = root.get();
        std::string_view route = endpoint->route;
        while (!route.empty()) {
            const std::string_view segment = take_segment(route);
            if (segment == "*") {
                node->takes_rest = endpoint;
                return;
            }
            auto& next =
                segment.front() == ':' ? node->parameter : node->words[std::string(segment)];
            if (!next) next = std::make_unique<Node>();
            node = next.get();
        }
        node->ends = endpoint;
    });
}

// NOLINTNEXTLINE(misc-no-recursion): one level a segment of the longest route
bool EndpointTable::walk(const Node& node, std::string_view path, std::vector<std::string>& values,
                         EndpointRef& found) {
    if (path.empty()) {
        found = node.ends;
        return found != nullptr;
    }
    std::string_view rest = path;
    const std::string_view segment = take_segment(rest);
    if (const auto word = node.words.find(segment);
        word != node.words.end() && walk(*word->second, rest, values, found))
        return true;
    if (node.parameter && !segment.empty()) {
        values.emplace_back(segment);
        if (walk(*node.parameter, rest, values, found)) return true;
        values.pop_back();
    }
    found = node.takes_rest;
    if (found) values.emplace_back(path);
    return found != nullptr;
}

EndpointMatch EndpointTable::find(const RegistrySnapshot& registry, core::TenantId tenant,
                                  std::string_view method, std::string_view path) {
    if (built_of_ != registry.version) {
        build(registry);
        built_of_ = registry.version;
    }
    EndpointMatch match;
    const auto root = roots_.find({tenant.value, std::string(method)});
    std::vector<std::string> values;
    if (root == roots_.end() || !walk(*root->second, path, values, match.endpoint)) return {};
    std::string_view route = match.endpoint->route;
    for (std::string& value : values) {
        std::string_view segment = take_segment(route);
        while (segment.front() != ':' && segment != "*") segment = take_segment(route);
        match.params.emplace_back(segment == "*" ? segment : segment.substr(1), std::move(value));
    }
    return match;
}

// A bucket of one second's calls, at least one.
std::int64_t EndpointTable::wait_ms(const Endpoint& endpoint, std::int64_t now_ns) {
    if (endpoint.rate <= 0) return 0;
    const double most = std::max(1.0, endpoint.rate);
    auto [at, fresh] = buckets_.try_emplace(endpoint.number.value);
    Bucket& bucket = at->second;
    if (fresh) bucket = {most, now_ns};
    const double seconds = static_cast<double>(now_ns - bucket.at_ns) / 1e9;
    bucket.tokens = std::min(most, bucket.tokens + seconds * endpoint.rate);
    bucket.at_ns = now_ns;
    if (bucket.tokens >= 1) {
        bucket.tokens -= 1;
        return 0;
    }
    return static_cast<std::int64_t>((1 - bucket.tokens) / endpoint.rate * 1000) + 1;
}

std::string EndpointTable::answer_id(const Endpoint& endpoint, std::string_view key,
                                     std::string_view caller) {
    const XXH64_hash_t by = XXH3_64bits(caller.data(), caller.size());
    const XXH128_hash_t hash = XXH3_128bits_withSeed(key.data(), key.size(), by);
    std::string id;
    core::append_hex(id, endpoint.tenant.value, 8);
    id += '/';
    core::append_hex(id, endpoint.number.value, 8);
    id += '/';
    core::append_hex(id, hash.high64);
    core::append_hex(id, hash.low64);
    return id;
}

core::Result<std::optional<EndpointAnswer>> EndpointTable::begin(store::Database& database,
                                                                 const std::string& id,
                                                                 std::uint64_t request_hash,
                                                                 std::int64_t now_us) {
    if (under_way_.contains(id)) {
        return core::fail(core::Error(core::ErrorCode::kConflict,
                                      "Idempotency-Key: the first request with this key has not "
                                      "been answered yet")
                              .in("Idempotency-Key")
                              .retry_after(1));
    }
    auto row = database.registry().get(kEndpointAnswerKind, id);
    if (!row) return core::fail(std::move(row.error()));
    if (*row) {
        auto kept = read_kept_answer((*row)->json);
        if (kept && now_us - kept->at_us < kAnswerKeptUs) {
            if (kept->request_hash == request_hash) return std::move(kept->answer);
            return core::fail(core::Error(core::ErrorCode::kConflict,
                                          "Idempotency-Key: this key came with another request")
                                  .in("Idempotency-Key"));
        }
        // Its time is over, and its row is the next answer's: it does not leave for the old one.
        std::erase_if(kept_, [&](const auto& one) { return one.second == id; });
    }
    under_way_.insert(id);
    return std::nullopt;
}

void EndpointTable::end(const std::string& id, bool kept, std::int64_t now_us) {
    under_way_.erase(id);
    if (kept) kept_.emplace_back(now_us, id);
}

std::vector<std::string> EndpointTable::take_old(store::Database& database, std::int64_t now_us) {
    if (!loaded_) {
        loaded_ = true;
        if (auto rows = database.registry().load_all(kEndpointAnswerKind)) {
            for (store::RegistryDocument& row : *rows)
                kept_.emplace_back(row.updated_at_us, std::move(row.id));
            std::sort(kept_.begin(), kept_.end());
        }
    }
    constexpr std::size_t kAtOnce = 8;
    std::vector<std::string> old;
    while (!kept_.empty() && old.size() < kAtOnce &&
           (kept_.size() >= kKeptAnswersMax || now_us - kept_.front().first > kAnswerKeptUs)) {
        old.push_back(std::move(kept_.front().second));
        kept_.pop_front();
    }
    return old;
}

}  // namespace millrace::runtime::api
