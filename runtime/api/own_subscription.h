// What: kinds of documents that have a subscription of their own (a schedule with an executor, a
//       hook that is told): it comes, changes and goes with its document. The calls of such a kind,
//       once; what differs is said by its OwnSubscription.
// Threads: the API thread. Lifetime: none. Limits: none of its own.
// Failure: what the tables refuse; a change that not every shard takes up is taken back.
#pragma once

#include "runtime/api/documents.h"
#include "runtime/api/schedule_view.h"

#include <memory>
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

// As `body` says, whether it is there or not.
core::Status put_own_subscription(Call& call, const std::string& id, std::string_view body);
// What waits for it becomes dead letters; answers {"success":true} when it is gone.
void remove_own_subscription(Call& call, const std::string& id, const Respond& respond);

template <typename T>
bool has_own_subscription(Call& call, const T& document) {
    return OwnSubscription<T>::wanted(document) &&
           call.services.registry().template table<Subscription>().find(
               call.tenant(), OwnSubscription<T>::id(document.id)) != nullptr;
}

template <typename T>
Answer changed_owning(Call& call, core::Result<DocumentChange<T>>&& made, int status) {
    using Own = OwnSubscription<T>;
    if (!made) return core::fail(std::move(made.error()));
    const std::shared_ptr<const T> before = made->before, after = made->after;
    const std::string id = Own::id(after->id);
    const bool had = before && has_own_subscription(call, *before);
    if (Own::wanted(*after)) {
        const std::string body = Own::body(*after);
        if (!had || Own::body(*before) != body) {
            // Both are there, or neither.
            if (auto subscribed = put_own_subscription(call, id, body); !subscribed) {
                (void)call.services.registry().template table<T>().undo(*made);
                return core::fail(subscribed.error());
            }
        }
    }
    auto answer = changed<T>(call, std::move(made), status);
    if (!answer) return answer;
    // What waits for it ends behind the answer.
    if (had && !Own::wanted(*after)) remove_own_subscription(call, id, [](ApiResponse&&) {});
    answer->body = Own::show(call.services, *after);
    return answer;
}

template <typename T>
Answer create_owning(Call& call) {
    return changed_owning<T>(call,
                             call.services.registry().template table<T>().create(
                                 change_context(call), call.request.body_view()),
                             201);
}

template <typename T, TableChange<T> kChange>
Answer change_owning(Call& call) {
    DocumentTable<T>& table = call.services.registry().template table<T>();
    return changed_owning<T>(call,
                             (table.*kChange)(change_context(call), call.request.param("id"),
                                              call.request.body_view(), {}),
                             200);
}

template <typename T>
void delete_owning(Call& call, const Respond& respond) {
    const std::string id(call.request.param("id"));
    auto gone = delete_document<T>(call);
    if (!gone) return respond(error_response(gone.error()));
    remove_own_subscription(call, OwnSubscription<T>::id(id), respond);
}

}  // namespace millrace::runtime::api
