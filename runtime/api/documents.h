// What: the calls that every kind of document has, once: create, list, one, change, remove, and its
//       versions. A kind has a path here and its rows in the route table; the rest is said by its
//       DocumentKind (runtime/registry/document_kind.h).
// Threads: the API thread. Lifetime: none. Limits: those of the kind.
// Failure: errors of the kind; a change that not every shard takes up is taken back.
#pragma once

#include "runtime/api/call.h"
#include "runtime/api/pattern_bounds.h"
#include "runtime/registry/document_kinds.h"
#include "runtime/registry/registry.h"

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime::api {

// Where documents of a kind live.
template <typename T>
inline constexpr std::string_view kDocumentsPath = "";
template <>
inline constexpr std::string_view kDocumentsPath<Script> = "/v2/scripts";
template <>
inline constexpr std::string_view kDocumentsPath<Subscription> = "/v2/subscriptions";
template <>
inline constexpr std::string_view kDocumentsPath<Secret> = "/v2/secrets";
template <>
inline constexpr std::string_view kDocumentsPath<Action> = "/v2/actions";
template <>
inline constexpr std::string_view kDocumentsPath<Source> = "/v2/sources";
template <>
inline constexpr std::string_view kDocumentsPath<EventSchema> = "/v2/schemas";

template <>
inline constexpr std::string_view kDocumentsPath<Workflow> = "/v2/workflows";

template <>
inline constexpr std::string_view kDocumentsPath<Link> = "/v2/links";

template <>
inline constexpr std::string_view kDocumentsPath<EdgeNode> = "/v2/edges";

template <>
inline constexpr std::string_view kDocumentsPath<Tenant> = "/v2/tenants";
template <>
inline constexpr std::string_view kDocumentsPath<ApiKey> = "/v2/keys";

template <>
inline constexpr std::string_view kDocumentsPath<Schedule> = "/v2/schedules";
template <>
inline constexpr std::string_view kDocumentsPath<Endpoint> = "/v2/endpoints";
template <>
inline constexpr std::string_view kDocumentsPath<Hook> = "/v2/hooks";

template <typename T>
ApiResponse document_response(int status, const T& document) {
    ApiResponse response = json_response(status, document_kind<T>().show(document));
    response.headers.emplace_back("ETag", "\"" + document_etag(document) + "\"");
    return response;
}

inline ChangeContext change_context(const Call& call) {
    return {.tenant = call.tenant(),
            .log_ends = call.services.log_ends(),
            .handled_to = call.services.handled_to(),
            .if_match = call.request.header("If-Match")};
}

// Tells those who follow and answers when the change is in force everywhere. What they can not take
// is taken back: registry and matcher both have it, or neither.
template <typename T>
Answer changed(Call& call, core::Result<DocumentChange<T>>&& made, int status) {
    if (!made) return core::fail(std::move(made.error()));
    // One that could not be read, and that nobody has seen, is gone.
    if (!made->before && !made->after) {
        if (auto told = call.services.registry_changed(*made); !told)
            return core::fail(told.error());
        return json_response(200, R"({"success":true})");
    }
    if (auto applied = call.services.registry_changed(*made); !applied) {
        if (auto undone = call.services.registry().table<T>().undo(*made))
            call.services.registry_undone(*undone);
        return core::fail(applied.error());
    }
    if (!made->after) return json_response(200, R"({"success":true})");
    ApiResponse response = document_response(status, *made->after);
    if (!made->before) {
        response.headers.emplace_back("Location",
                                      std::string(kDocumentsPath<T>) + "/" + made->after->id);
    }
    return response;
}

// What the key that asks may not have a document do.
template <typename T>
std::function<core::Status(const T&)> bounds_of(const Call& call) {
    return
        [&by = call.request.principal](const T& document) { return within_patterns(by, document); };
}

// `body`: the call's own, or what the caller has made of it.
template <typename T>
Answer create_document_of(Call& call, std::string_view body) {
    return changed<T>(
        call,
        call.services.registry().table<T>().create(change_context(call), body, bounds_of<T>(call)),
        201);
}

template <typename T>
Answer create_document(Call& call) {
    return create_document_of<T>(call, call.request.body_view());
}

// PUT or PATCH: what the table calls them.
template <typename T>
using TableChange = core::Result<DocumentChange<T>> (DocumentTable<T>::*)(
    const ChangeContext&, std::string_view id, std::string_view body,
    const typename DocumentTable<T>::Check&);

template <typename T, TableChange<T> kChange>
Answer change_document(Call& call) {
    DocumentTable<T>& table = call.services.registry().table<T>();
    return changed<T>(call,
                      (table.*kChange)(change_context(call), call.request.param("id"),
                                       call.request.body_view(), bounds_of<T>(call)),
                      200);
}

template <typename T>
Answer delete_document(Call& call) {
    return changed<T>(
        call,
        call.services.registry().table<T>().remove(change_context(call), call.request.param("id")),
        200);
}

template <typename T>
Answer get_document(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto document = call.services.registry().table<T>().find(call.tenant(), id);
    if (!document) return not_found(document_kind<T>().name, id);
    return document_response(200, *document);
}

template <typename T>
using ShowDocument = std::function<std::string(const T&)>;

// Those that `wanted` accepts, in the order of their ids.
template <typename T>
Answer list_chosen(Call& call, core::TenantId tenant, const std::function<bool(const T&)>& wanted,
                   const ShowDocument<T>& show = document_kind<T>().show) {
    const auto limit = call.limit();
    if (!limit) return core::fail(limit.error());
    const auto after = call.key_cursor();
    if (!after) return core::fail(after.error());
    ListBody body;
    std::size_t count = 0;
    std::string last, next;
    call.services.registry().table<T>().list(tenant, *after,
                                             [&](const std::shared_ptr<const T>& document) {
                                                 if (!wanted(*document)) return true;
                                                 if (count++ == *limit) {
                                                     next = encode_key_cursor(last);
                                                     return false;
                                                 }
                                                 body.json().raw(show(*document));
                                                 last = document->id;
                                                 return true;
                                             });
    return body.finish(next);
}

template <typename T>
Answer list_chosen(Call& call, const std::function<bool(const T&)>& wanted,
                   const ShowDocument<T>& show = document_kind<T>().show) {
    return list_chosen<T>(call, call.tenant(), wanted, show);
}

template <typename T>
Answer list_documents_of(Call& call, core::TenantId tenant) {
    return list_chosen<T>(call, tenant, [](const T&) { return true; });
}

template <typename T>
Answer list_documents(Call& call) {
    return list_documents_of<T>(call, call.tenant());
}

template <typename T>
Answer list_document_versions(Call& call) {
    const std::string_view id = call.request.param("id");
    const auto versions = call.services.registry().table<T>().versions(call.tenant(), id);
    if (versions.empty()) return not_found(document_kind<T>().name, id);
    ListBody body;
    for (auto version = versions.rbegin(); version != versions.rend(); ++version)
        body.json().raw(document_kind<T>().show(**version));
    return body.finish("");
}

template <typename T>
Answer get_document_version(Call& call) {
    const std::string_view id = call.request.param("id");
    const std::string_view wanted = call.request.param("version");
    for (const auto& version : call.services.registry().table<T>().versions(call.tenant(), id)) {
        if (std::to_string(version->version) == wanted) return document_response(200, *version);
    }
    return not_found("version of " + std::string(document_kind<T>().name) + " " + std::string(id),
                     wanted);
}

}  // namespace millrace::runtime::api
