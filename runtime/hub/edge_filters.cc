#include "runtime/hub/edge_filters.h"

#include "core/key_hash.h"
#include "runtime/event/json_scan.h"
#include "runtime/hub/hub_batch.h"
#include "runtime/hub/wanted_events.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace millrace::runtime::hub {
namespace {

constexpr std::array<std::string_view, 4> kMatching = {R"("pattern")", R"("filters")",
                                                       R"("filter")", R"("form")"};

bool is_wanted(const Subscription& subscription) {
    return subscription.active && subscription.closing == Closing::kNo;
}

// The members that say what it matches, as they were sent.
std::string matching_of(const Subscription& subscription) {
    std::string out = "{";
    (void)scan_members(subscription.document, [&](std::string_view key, std::string_view value) {
        if (std::find(kMatching.begin(), kMatching.end(), key) == kMatching.end()) return true;
        if (out.size() > 1) out += ',';
        out.append(key).append(":").append(value);
        return true;
    });
    return out + "}";
}

std::string told_text(std::uint64_t version, bool all, std::string_view patterns,
                      std::string_view filters) {
    std::string out = R"({"version":")" + hash_text(version) + R"(","all":)";
    out += all ? "true" : "false";
    out.append(R"(,"patterns":[)").append(patterns).append(R"(],"filters":[)");
    out.append(filters).append("]}");
    return out;
}

}  // namespace

void EdgeFilters::load(const RegistrySnapshot& registry) {
    registry.subscriptions.for_each([this](const SubscriptionRef& subscription) {
        if (subscription->of_edges) take(*subscription);
    });
    for (const auto& [tenant, wanted] : wanted_) tell(core::TenantId(tenant));
}

void EdgeFilters::take(const Subscription& subscription) {
    Wanted& wanted = wanted_[subscription.tenant.value];
    // One that is switched off wants nothing, and is one all the same: not everything crosses.
    if (subscription.of_edges)
        wanted[subscription.number.value] =
            is_wanted(subscription) ? matching_of(subscription) : std::string();
    else
        wanted.erase(subscription.number.value);
}

void EdgeFilters::follow(const DocumentChange<Subscription>& change) {
    const bool before = change.before && change.before->of_edges;
    const bool after = change.after && change.after->of_edges;
    if (!before && !after) return;
    const Subscription& one = change.after ? *change.after : *change.before;
    if (change.after)
        take(one);
    else
        wanted_[one.tenant.value].erase(one.number.value);
    tell(one.tenant);
}

// Which of them it is does not matter: what is wanted twice is told once.
void EdgeFilters::tell(core::TenantId tenant) {
    const Wanted& wanted = wanted_[tenant.value];
    if (wanted.empty()) {
        told_.erase(tenant.value);
        return;
    }
    std::vector<std::string> texts;
    for (const auto& [number, text] : wanted)
        if (!text.empty()) texts.push_back(text);
    std::sort(texts.begin(), texts.end());
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    std::string patterns, filters;
    for (const std::string& text : texts) {
        std::size_t members = 0;
        std::string_view pattern;
        (void)scan_members(text, [&](std::string_view key, std::string_view value) {
            ++members;
            if (key == kMatching[0]) pattern = value;
            return true;
        });
        const bool is_pattern = members == 1 && !pattern.empty();
        std::string& list = is_pattern ? patterns : filters;
        if (!list.empty()) list += ',';
        list += is_pattern ? pattern : std::string_view(text);
    }
    const std::uint64_t version = core::hash_key(patterns + "\n" + filters) | 1u;
    Told told{version, told_text(version, false, patterns, filters)};
    // More than an edge reads: everything crosses, and is filtered here.
    if (texts.size() > WantedEvents::kWantedMax || told.json.size() > WantedEvents::kTextBytesMax)
        told_.erase(tenant.value);
    else
        told_[tenant.value] = told;
    std::deque<Told>& recent = recent_[tenant.value];
    recent.push_front(std::move(told));
    if (recent.size() > kRecentMax) recent.pop_back();
}

const std::string* EdgeFilters::text_of(core::TenantId tenant, std::uint64_t version) const {
    const auto of = recent_.find(tenant.value);
    if (of == recent_.end()) return nullptr;
    const auto told = std::find_if(of->second.begin(), of->second.end(),
                                   [version](const Told& one) { return one.version == version; });
    return told == of->second.end() ? nullptr : &told->json;
}

const EdgeFilters::Told& EdgeFilters::of(core::TenantId tenant) const {
    static const Told everything{0, told_text(0, true, "", "")};
    const auto at = told_.find(tenant.value);
    return at == told_.end() ? everything : at->second;
}

}  // namespace millrace::runtime::hub
