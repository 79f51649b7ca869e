#include "runtime/api/regex_aside.h"

#include "matcher/regex/regex_file.h"
#include "runtime/identity/principal.h"
#include "runtime/registry/registry.h"

#include <memory>
#include <utility>

namespace millrace::runtime::api {
namespace {

struct Waiting {
    Services& services;
    ApiRequest request;
    Respond respond;
    Answer (*change)(Call&);
    matcher::DeferredRegexes deferred;
};

ApiResponse to_response(Answer&& answer) {
    return answer ? std::move(*answer) : error_response(answer.error());
}

core::Error server_ends() {
    return core::Error(core::ErrorCode::kUnavailable,
                       "the server is shutting down; its expressions were not compiled")
        .retry_after(1);
}

void go_on(const std::shared_ptr<Waiting>& waiting) {
    const bool taken = waiting->services.compile_aside(
        [waiting](const std::atomic<bool>& enough) { waiting->deferred.compile(enough); },
        [waiting](bool whole) {
            if (!whole) return waiting->respond(error_response(server_ends()));
            // Others were asked for in between.
            waiting->services.registry().act_as(identity::actor_of(waiting->request.principal));
            Call call{waiting->services, waiting->request};
            Answer answer = [&] {
                const matcher::DeferredRegexes::Scope scope(waiting->deferred);
                return waiting->change(call);
            }();
            if (waiting->deferred.any()) return go_on(waiting);
            waiting->respond(to_response(std::move(answer)));
        });
    if (!taken) waiting->respond(error_response(busy_aside(Aside::kLook)));
}

}  // namespace

void change_with_regexes(Call& call, const Respond& respond, Answer (*change)(Call&)) {
    matcher::DeferredRegexes deferred;
    Answer answer = [&] {
        const matcher::DeferredRegexes::Scope scope(deferred);
        return change(call);
    }();
    if (!deferred.any()) return respond(to_response(std::move(answer)));
    go_on(std::make_shared<Waiting>(
        Waiting{call.services, call.request, respond, change, std::move(deferred)}));
}

}  // namespace millrace::runtime::api
