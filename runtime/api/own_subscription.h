// What: kinds of documents that have a subscription of their own (a schedule with an executor, a
//       hook that is told): it comes, changes and goes with its document. The calls of such a kind,
//       once; what differs is said by its OwnSubscription.
// Threads: the API thread. Lifetime: none. Limits: none of its own.
// Failure: what the tables refuse; a change that not every shard takes up is taken back.
#pragma once

#include "runtime/api/documents.h"
#include "runtime/api/schedule_view.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime::api {

template <typename T>
struct OwnSubscription;

template <>
struct OwnSubscription<Schedule> {
    static std::string id(std::string_view of) { return schedule_subscription_id(of); }
    static bool wanted(const Schedule& schedule) { return !schedule.executor.empty(); }
    static std::string body(const Schedule& schedule) {
        return schedule_subscription_body(schedule);
    }
    static std::string show(Services& services, const Schedule& schedule) {
        return schedule_view(services, schedule);
    }
};

template <>
struct OwnSubscription<Hook> {
    static std::string id(std::string_view of) { return hook_subscription_id(of); }
    static bool wanted(const Hook& hook) { return hook.told(); }
    static std::string body(const Hook& hook) { return hook_subscription_body(hook); }
    static std::string show(Services&, const Hook& hook) {
        return document_kind<Hook>().show(hook);
    }
};

// What becomes of it; none: nothing.
using OwnChange = std::optional<DocumentChange<Subscription>>;

// As `body` says, whether it is there or not; empty: it closes.
core::Result<OwnChange> change_own(Call& call, const std::string& id, std::string_view body);
void undo_own(Call& call, const OwnChange& own);
// Tells those who follow of one that is new or has changed.
core::Status apply_own(Call& call, const OwnChange& own);
// What waits for one that closes becomes dead letters; answers {"success":true} when it is gone.
void close_own(Call& call, OwnChange&& own, const Respond& respond);

// Document and subscription change in one commit: a crash leaves both as they were, or neither.
template <typename T>
struct OwningChange {
    DocumentChange<T> document;
    OwnChange own;
};

template <typename T>
core::Result<OwnChange> change_own_of(Call& call, const DocumentChange<T>& made) {
    using Own = OwnSubscription<T>;
    if (!made.before && !made.after) return OwnChange();
    const std::string id = Own::id(made.after ? made.after->id : made.before->id);
    const bool wanted = made.after && Own::wanted(*made.after);
    const std::string body = wanted ? Own::body(*made.after) : std::string();
    // As it was, and there: nobody needs to be told.
    if (wanted && made.before && Own::wanted(*made.before) && Own::body(*made.before) == body &&
        call.services.registry().template table<Subscription>().find(call.tenant(), id))
        return OwnChange();
    return change_own(call, id, body);
}

template <typename T>
core::Result<OwningChange<T>> change_both(
    Call& call, const std::function<core::Result<DocumentChange<T>>()>& make) {
    Registry& registry = call.services.registry();
    registry.begin_one();
    auto made = make();
    core::Result<OwnChange> own = OwnChange();
    if (made) own = change_own_of<T>(call, *made);
    if (made && !own) (void)registry.table<T>().undo(*made);
    auto durable = registry.end_one();
    if (!made) return core::fail(std::move(made.error()));
    if (!own) return core::fail(std::move(own.error()));
    if (!durable) return core::fail(std::move(durable.error()));
    return OwningChange<T>{std::move(*made), std::move(*own)};
}

// `own`: what became of its subscription; to be closed, if it is to (close_own()).
template <typename T>
Answer changed_owning(Call& call, core::Result<OwningChange<T>>&& both, int status,
                      OwnChange& own) {
    if (!both) return core::fail(std::move(both.error()));
    const std::shared_ptr<const T> after = both->document.after;
    // Both are in force, or neither.
    if (auto applied = apply_own(call, both->own); !applied) {
        undo_own(call, both->own);
        (void)call.services.registry().template table<T>().undo(both->document);
        return core::fail(std::move(applied.error()));
    }
    auto answer = changed<T>(call, std::move(both->document), status);
    if (!answer) {
        undo_own(call, both->own);
        return answer;
    }
    own = std::move(both->own);
    answer->body = OwnSubscription<T>::show(call.services, *after);
    return answer;
}

template <typename T>
Answer create_owning(Call& call) {
    OwnChange own;  // nothing closes with a beginning
    return changed_owning<T>(
        call,
        change_both<T>(call,
                       [&call] {
                           return call.services.registry().template table<T>().create(
                               change_context(call), call.request.body_view(), bounds_of<T>(call));
                       }),
        201, own);
}

// Answers when a subscription that it wants no more is gone: what that named may go then.
template <typename T, TableChange<T> kChange>
void change_owning(Call& call, const Respond& respond) {
    DocumentTable<T>& table = call.services.registry().template table<T>();
    OwnChange own;
    auto answer = changed_owning<T>(
        call,
        change_both<T>(call,
                       [&] {
                           return (table.*kChange)(change_context(call), call.request.param("id"),
                                                   call.request.body_view(), bounds_of<T>(call));
                       }),
        200, own);
    if (!answer) return respond(error_response(answer.error()));
    const auto kept = std::make_shared<ApiResponse>(std::move(*answer));
    close_own(call, std::move(own), [respond, kept](ApiResponse&&) { respond(std::move(*kept)); });
}

template <typename T>
void delete_owning(Call& call, const Respond& respond) {
    auto both = change_both<T>(call, [&call] {
        return call.services.registry().template table<T>().remove(change_context(call),
                                                                   call.request.param("id"));
    });
    if (!both) return respond(error_response(both.error()));
    auto gone = changed<T>(call, std::move(both->document), 200);
    if (!gone) {
        undo_own(call, both->own);
        return respond(error_response(gone.error()));
    }
    close_own(call, std::move(both->own), respond);
}

}  // namespace millrace::runtime::api
