#include "runtime/node/key_front.h"

#include "io/http_head.h"
#include "runtime/identity/trusted_front.h"

#include <utility>

namespace millrace::runtime::node {

core::Error silent_partition(std::size_t partition) {
    return core::Error(core::ErrorCode::kUnavailable,
                       "partition " + std::to_string(partition) +
                           " did not answer, and without it the answer would not be whole; come "
                           "again")
        .retry_after(1);
}

std::string_view value_of(const HeaderList& headers, std::string_view name) {
    for (const auto& [key, value] : headers) {
        if (io::equals_ignore_case(key, name)) return value;
    }
    return {};
}

void set_value(HeaderList& headers, std::string_view name, std::string_view value) {
    std::erase_if(headers,
                  [name](const auto& one) { return io::equals_ignore_case(one.first, name); });
    headers.emplace_back(name, value);
}

bool is_set(const std::optional<std::string>& flag) {
    return flag && *flag != "0" && *flag != "false";
}

std::unique_ptr<Gathering> KeyFront::gathering_of(const Passage& passage) const {
    auto whole = std::make_unique<Gathering>(passage.id());
    whole->method = passage.method;
    whole->headers = passage.headers;
    whole->principal = passage.who ? passage.who->principal : std::string();
    whole->peer = passage.peer;
    whole->repeatable = is_repeatable(passage.method);
    whole->hold_until_ns = now_ns() + FrontLimits::kHoldNs;
    whole->answer_ns = FrontLimits::kGatherNs;
    return whole;
}

std::unique_ptr<Gathering> KeyFront::gathering_of_all(const Passage& passage) {
    auto whole = gathering_of(passage);
    for (std::size_t p = 0; p < routing().targets.size(); ++p)
        add_part(*whole, p, passage.target).body = passage.body;
    return whole;
}

std::unique_ptr<Gathering> KeyFront::gathering_of_own(std::uint64_t passage,
                                                      std::int64_t ns) const {
    auto whole = std::make_unique<Gathering>(passage);
    whole->method = io::Method::kPost;
    whole->principal = desk_.own_principal();
    whole->hold_until_ns = now_ns() + ns;
    whole->answer_ns = ns;
    return whole;
}

Part& KeyFront::add_part(Gathering& whole, std::size_t partition, std::string target) {
    auto& part = whole.parts.emplace_back(std::make_unique<Part>(gatherer_, whole, partition));
    part->target = std::move(target);
    return *part;
}

void KeyFront::gather(std::unique_ptr<Gathering> whole, Tell tell) {
    whole->when_over = [this, tell = std::move(tell)](const Gathering& over) {
        if (Passage* passage = desk_.passage_of(over.waits)) tell(*this, *passage, over);
    };
    gatherer_.start(std::move(whole));
}

void KeyFront::sweep() {
    gatherer_.sweep();
    ended_merges_.clear();
}

std::string KeyFront::head_of(const Gathering& whole, const Part& part) const {
    const std::string number = std::to_string(part.partition);
    std::vector<std::pair<std::string_view, std::string_view>> own = {
        {identity::kFrontTokenHeader, desk_.cluster_token()}, {kPartitionHeader, number}};
    if (!whole.principal.empty())
        own.emplace_back(identity::kFrontPrincipalHeader, whole.principal);
    if (!whole.peer.empty()) own.emplace_back(identity::kFrontPeerHeader, whole.peer);
    if (!part.places.empty()) own.emplace_back(kPlacesHeader, part.places);
    if (!part.order.empty()) own.emplace_back(identity::kFrontOrderHeader, part.order);
    if (whole.headers.empty()) own.emplace_back("Host", "localhost");
    return forward_head({.method = whole.method,
                         .target = part.target,
                         .headers = &whole.headers,
                         .body_bytes = part.body ? part.body.size() : 0,
                         .own = own});
}

}  // namespace millrace::runtime::node
