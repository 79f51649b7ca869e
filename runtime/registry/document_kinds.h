// What: the kinds of documents that people register, in one list: tables, snapshots and changes are
//       made of it. A kind that needs another stands behind it.
// Threads: constants. Lifetime: none. Limits: none. Failure: none.
#pragma once

#include "runtime/registry/action.h"
#include "runtime/registry/api_key.h"
#include "runtime/registry/document_kind.h"
#include "runtime/registry/edge_node.h"
#include "runtime/registry/endpoint.h"
#include "runtime/registry/event_schema.h"
#include "runtime/registry/hook.h"
#include "runtime/registry/link.h"
#include "runtime/registry/registry_types.h"
#include "runtime/registry/schedule.h"
#include "runtime/registry/secret.h"
#include "runtime/registry/source.h"
#include "runtime/registry/tenant.h"
#include "runtime/registry/workflow.h"

#include <memory>
#include <string_view>
#include <variant>

namespace millrace::runtime {

// type, name of its table
#define MILLRACE_DOCUMENT_KINDS(X) \
    X(Script, scripts)             \
    X(Secret, secrets)             \
    X(Action, actions)             \
    X(Source, sources)             \
    X(EventSchema, schemas)        \
    X(Workflow, workflows)         \
    X(Link, links)                 \
    X(EdgeNode, edges)             \
    X(Subscription, subscriptions) \
    X(Tenant, tenants)             \
    X(ApiKey, keys)                \
    X(Schedule, schedules)         \
    X(Endpoint, endpoints)         \
    X(Hook, hooks)

using ActionRef = std::shared_ptr<const Action>;
using ApiKeyRef = std::shared_ptr<const ApiKey>;
using ScriptRef = std::shared_ptr<const Script>;
using SecretRef = std::shared_ptr<const Secret>;
using SourceRef = std::shared_ptr<const Source>;
using EventSchemaRef = std::shared_ptr<const EventSchema>;
using SubscriptionRef = std::shared_ptr<const Subscription>;
using TenantRef = std::shared_ptr<const Tenant>;
using ScheduleRef = std::shared_ptr<const Schedule>;
using EdgeRef = std::shared_ptr<const EdgeNode>;
using EndpointRef = std::shared_ptr<const Endpoint>;
using HookRef = std::shared_ptr<const Hook>;
using LinkRef = std::shared_ptr<const Link>;
using WorkflowRef = std::shared_ptr<const Workflow>;

// What a change means to those who follow. Without `before` the document is new, without `after` it
// is gone.
template <typename T>
struct DocumentChange {
    std::shared_ptr<const T> before;
    std::shared_ptr<const T> after;
};

using RegistryChange = std::variant<std::monostate
#define X(Type, table) , DocumentChange<Type>
                                        MILLRACE_DOCUMENT_KINDS(X)
#undef X
                                    >;

// What an executor that begins workflows may name beside a workflow: a script of that type.
inline constexpr std::string_view kWorkflowScriptKind = "workflow script";

// What an executor of the type workflow names; the numbers are what it was linked to before.
inline DocumentReference workflow_reference(std::string_view id, WorkflowNumber workflow,
                                            ScriptNumber script) {
    constexpr std::string_view kMember = "executor.workflowId";
    if (script.value != 0) return {kWorkflowScriptKind, id, kMember, script.value, "workflow"};
    return {"workflow", id, kMember, workflow.value, kWorkflowScriptKind};
}

template <typename T>
const DocumentKind<T>& document_kind();
#define X(Type, table) \
    template <>        \
    const DocumentKind<Type>& document_kind<Type>();
MILLRACE_DOCUMENT_KINDS(X)
#undef X

}  // namespace millrace::runtime
