#include "matcher/index.h"

namespace millrace::matcher {

Index::Index() = default;
Index::~Index() = default;

core::Result<std::uint32_t> Index::add(core::SubscriptionId id, core::TenantId tenant,
                                       const SubscriptionSpec& spec, const SlotOf& slot_of) {
    auto pattern = patterns_.add(spec.pattern);
    if (!pattern) return core::fail(std::move(pattern.error()));
    const std::size_t program = tokens_.size();
    if (core::Status encoded = encode(spec.predicate, leaves_, slot_of, tokens_); !encoded) {
        tokens_.resize(program);
        return core::fail(std::move(encoded.error()));
    }
    Subscription& subscription = subscriptions_.emplace_back();
    subscription.id = id;
    subscription.tenant = tenant;
    subscription.priority = spec.priority;
    subscription.pattern = *pattern;
    subscription.program = static_cast<std::uint32_t>(program);
    return static_cast<std::uint32_t>(subscriptions_.size() - 1);
}

core::Result<std::uint32_t> Index::add(const Index& other, std::uint32_t number) {
    const Subscription& theirs = other.subscriptions_[number];
    const std::size_t program = tokens_.size();
    const Token* token = other.tokens_.data() + theirs.program;
    for (const Token* end = skip_subtree(token); token != end; ++token) {
        if (kind_of(*token) != TokenKind::kLeaf) {
            tokens_.push_back(*token);
            continue;
        }
        auto leaf = leaves_.add(other.leaves_, number_of(*token));
        if (!leaf) return core::fail(std::move(leaf.error()));
        tokens_.push_back(make_token(TokenKind::kLeaf, *leaf));
    }
    Subscription& subscription = subscriptions_.emplace_back(theirs);
    subscription.removed_at.store(kNeverRemoved, std::memory_order_relaxed);  // nobody reads it yet
    subscription.pattern = patterns_.add(other.patterns_, theirs.pattern);
    subscription.program = static_cast<std::uint32_t>(program);
    return static_cast<std::uint32_t>(subscriptions_.size() - 1);
}

void Index::seal() {
    leaves_.seal();
    patterns_.seal();
    subscriptions_.shrink_to_fit();
    tokens_.shrink_to_fit();
    for (std::uint32_t i = 0; i < size(); ++i) by_tenant_[subscriptions_[i].tenant.value].push_back(i);
}

bool Index::has_tenant(core::TenantId tenant) const { return by_tenant_.contains(tenant.value); }

void Index::match(const core::Envelope& envelope, core::TenantId tenant, const core::FieldTable& fields,
                  Version version, EvalScratch& scratch, std::vector<Match>& out) const {
    const auto list = by_tenant_.find(tenant.value);
    if (list == by_tenant_.end()) return;
    for (const std::uint32_t number : list->second) {
        const Subscription& subscription = subscriptions_[number];
        if (!is_alive(number, version)) continue;
        if (!patterns_.holds(subscription.pattern, envelope.pattern, scratch)) continue;
        Evaluator evaluator(leaves_, fields, scratch);
        if (!evaluator.holds(tokens_.data() + subscription.program)) continue;
        out.push_back({subscription.priority, subscription.id});
    }
}

std::size_t Index::bytes() const {
    return leaves_.bytes() + patterns_.bytes() + subscriptions_.capacity() * sizeof(Subscription) +
           tokens_.capacity() * sizeof(Token);
}

}  // namespace millrace::matcher
