#include "runtime/identity/roles.h"

namespace millrace::runtime::identity {
namespace {

constexpr ScopeSet set_of(std::initializer_list<Scope> scopes) {
    ScopeSet set;
    for (const Scope scope : scopes) set.add(scope);
    return set;
}

constexpr ScopeSet kTenants = set_of({Scope::kTenantsRead, Scope::kTenantsWrite});
constexpr ScopeSet kViewer =
    set_of({Scope::kActionsRead, Scope::kApiRead, Scope::kDeadLettersRead, Scope::kEndpointsRead,
            Scope::kEventsRead, Scope::kEntitiesRead, Scope::kHooksRead, Scope::kExecutionsRead,
            Scope::kKvRead, Scope::kLinksRead, Scope::kMetricsRead, Scope::kReplaysRead,
            Scope::kSchedulesRead, Scope::kSchemasRead, Scope::kScriptsRead, Scope::kSourcesRead,
            Scope::kStatsRead, Scope::kSubscriptionsRead, Scope::kWorkflowsRead});
constexpr ScopeSet kPublisher = set_of({Scope::kApiRead, Scope::kEventsWrite});
constexpr ScopeSet kDeveloper =
    set_of({Scope::kActionsCall,      Scope::kActionsWrite,   Scope::kDeadLettersReplay,
            Scope::kDeadLettersWrite, Scope::kEndpointsWrite, Scope::kEntitiesWrite,
            Scope::kEventsWrite,      Scope::kHooksWrite,     Scope::kLinksWrite,
            Scope::kReplaysWrite,     Scope::kSchedulesWrite, Scope::kSchemasWrite,
            Scope::kScriptsRun,       Scope::kScriptsWrite,   Scope::kSecretsRead,
            Scope::kSecretsWrite,     Scope::kSourcesWrite,   Scope::kSubscriptionsWrite,
            Scope::kWorkflowsRun,     Scope::kWorkflowsWrite})
        .add(kViewer);
constexpr ScopeSet kOperator =
    set_of({Scope::kAuditRead, Scope::kBackupsWrite, Scope::kDeadLettersReplay,
            Scope::kDeadLettersWrite, Scope::kKeysRead, Scope::kReplaysWrite,
            Scope::kSchedulesWrite, Scope::kScriptsRun, Scope::kSecretsRead,
            Scope::kSubscriptionsWrite, Scope::kWorkflowsRun})
        .add(kViewer);

bool fits(std::string_view wanted, std::string_view name) {
    return wanted == "*" || wanted == name;
}

}  // namespace

std::string_view role_text(Role role) {
    for (const auto& [text, value] : kRoles) {
        if (value == role) return text;
    }
    return "viewer";
}

ScopeSet scopes_of(Role role) {
    switch (role) {
        case Role::kViewer: return kViewer;
        case Role::kPublisher: return kPublisher;
        case Role::kDeveloper: return kDeveloper;
        case Role::kOperator: return kOperator;
        case Role::kAdmin: break;
    }
    ScopeSet all;
    for (std::size_t i = 0; i < kScopeCount; ++i) all.add(static_cast<Scope>(i));
    return all.remove(kTenants);
}

ScopeSet server_scopes() {
    return set_of({Scope::kBackupsWrite, Scope::kMetricsRead}).add(kTenants);
}

std::optional<ScopeSet> parse_scopes(std::string_view text) {
    if (text == "*") return ScopeSet::all();
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string_view resource = text.substr(0, colon), verb = text.substr(colon + 1);
    std::optional<ScopeSet> found;
    for (std::size_t i = 0; i < kScopeCount; ++i) {
        const std::string_view name = kScopeTexts[i];
        const std::size_t mark = name.find(':');
        if (mark == std::string_view::npos || !fits(resource, name.substr(0, mark)) ||
            !fits(verb, name.substr(mark + 1)))
            continue;
        if (!found) found.emplace();
        found->add(static_cast<Scope>(i));
    }
    return found;
}

std::vector<std::string_view> scope_names(const ScopeSet& scopes) {
    if (scopes.is_all()) return {"*"};
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < kScopeCount; ++i) {
        const auto scope = static_cast<Scope>(i);
        if (scope != Scope::kPublic && scopes.has(scope)) names.push_back(scope_text(scope));
    }
    return names;
}

}  // namespace millrace::runtime::identity
