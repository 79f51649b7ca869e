#include "runtime/executors/action_caller.h"

#include "core/http_url.h"
#include "core/json_validate.h"
#include "core/json_writer.h"
#include "runtime/event/tenant_names.h"
#include "runtime/executors/command_job.h"
#include "runtime/executors/webhook_signature.h"
#include "runtime/registry/executor_body.h"

#include <algorithm>

namespace millrace::runtime {
namespace {

constexpr std::size_t kMessageBytesMax = 2u << 10;

OutsideAnswer refused(std::string code, std::string message) {
    OutsideAnswer answer;
    answer.code = std::move(code);
    answer.message = std::move(message);
    return answer;
}

std::string input_document(const OutsideAsk& ask) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object();
    json.raw_field("input", ask.input_json.empty() ? "{}" : std::string_view(ask.input_json));
    json.end_object();
    return out;
}

std::string_view trimmed_lines(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
        text.remove_suffix(1);
    return text;
}

// A body, or what a program wrote: itself where it is JSON, else a text.
std::string json_of(std::string_view text) {
    text = trimmed_lines(text);
    std::string json;
    if (text.empty()) return json;
    if (core::json_validate(text)) return std::string(text);
    core::append_json_string(json, text);
    return json;
}

bool has_header(const courier::HttpCall& call, std::string_view name) {
    return std::any_of(call.headers.begin(), call.headers.end(), [&](const auto& header) {
        std::string lower = header.first;
        for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        return lower == name;
    });
}

}  // namespace

core::Result<courier::HttpCall> make_action_call(const Action& action, const OutsideAsk& ask,
                                                 std::int64_t now_us,
                                                 const FindSecret& find_secret) {
    const ActionHttp& spec = *action.http;
    CommandFiller filler(input_document(ask), find_secret);
    courier::HttpCall call;
    call.method = spec.method;
    auto url = filler.fill_url(spec.url);
    if (!url) return core::fail(std::move(url.error()));
    call.url = std::move(*url);
    if (auto parsed = core::HttpUrl::parse(call.url); !parsed)
        return core::fail(core::ErrorCode::kValidation, "executor.url " + parsed.error().message);
    for (const auto& [name, text] : spec.headers) {
        auto value = filler.fill(text);
        if (!value) return core::fail(std::move(value.error()));
        if (const std::string wrong = wrong_header_value(*value); !wrong.empty())
            return core::fail(
                core::ErrorCode::kValidation,
                std::string("executor.headers.").append(name).append(" ").append(wrong));
        call.headers.emplace_back(name, std::move(*value));
    }
    if (spec.method != "GET" && spec.method != "DELETE") {
        auto body = spec.body_json.empty() ? core::Result<std::string>(ask.input_json)
                                           : filler.fill_json(spec.body_json);
        if (!body) return core::fail(std::move(body.error()));
        call.body = std::move(*body);
        if (!has_header(call, "content-type"))
            call.headers.emplace_back("content-type", "application/json");
    }
    call.headers.emplace_back("idempotency-key", ask.key);
    if (!ask.traceparent.empty() && !has_header(call, "traceparent")) {
        call.headers.emplace_back("traceparent", ask.traceparent);
        if (!ask.tracestate.empty()) call.headers.emplace_back("tracestate", ask.tracestate);
    }
    if (!spec.secret.empty()) {
        const std::int64_t seconds = now_us / 1'000'000;
        call.headers.emplace_back("webhook-id", ask.key);
        call.headers.emplace_back("webhook-timestamp", std::to_string(seconds));
        call.headers.emplace_back(
            "webhook-signature",
            webhook_signature({ask.key, seconds, call.body}, spec.secret, WebhookSigning::kHmac));
    }
    call.timeout_ms = std::min(spec.timeout_ms, ask.timeout_ms);
    call.connect_timeout_ms = std::min(call.connect_timeout_ms, call.timeout_ms);
    call.body_bytes_max = kActionAnswerBytesMax;
    call.pool = courier::HttpPool::kScripts;
    call.owner = action.tenant.value;
    call.group = action.number.value;
    call.group_calls_max = spec.concurrency_max;
    call.group_per_second_max = spec.per_second_max;
    return call;
}

core::Result<CommandJob> make_action_job(const Action& action, const OutsideAsk& ask,
                                         const FindSecret& find_secret) {
    const CommandSpec& spec = *action.command;
    CommandJob job;
    job.input = ask.input_json;
    job.timeout_ms = std::min(spec.timeout_ms, ask.timeout_ms);
    job.env = command_env({"MILLRACE_DELIVERY_ID=" + ask.key, "MILLRACE_ACTION=" + action.id,
                           "MILLRACE_TENANT=" + std::string(tenant_name(action.tenant))});
    CommandFiller filler(input_document(ask), find_secret);
    if (auto status = fill_command(spec, filler, job); !status) return core::fail(status.error());
    return job;
}

OutsideAnswer judge_action(const courier::HttpAnswer& answer) {
    if (answer.fault != courier::HttpFault::kNone)
        return refused(std::string(courier::http_fault_text(answer.fault)), answer.message);
    OutsideAnswer out;
    out.status = answer.status;
    out.json = json_of(answer.body);
    if (answer.status >= 200 && answer.status < 300) return out;
    out.code = "FAILED";
    out.message = "HTTP " + std::to_string(answer.status);
    if (!answer.body.empty())
        out.message.append(": ").append(std::string_view(answer.body).substr(0, kMessageBytesMax));
    return out;
}

OutsideAnswer judge_action(const CommandEnd& end) {
    using How = CommandEnd::How;
    OutsideAnswer out;
    switch (end.how) {
        case How::kRefused:
        case How::kNotStarted: return refused("FAILED", end.why);
        case How::kTimeout:
            return refused("TIMEOUT", "stopped after " + std::to_string(end.timeout_ms) + " ms");
        case How::kSignalled:
            return refused("FAILED", "killed by signal " + std::to_string(end.code));
        case How::kExited: break;
    }
    out.status = end.code;
    out.json = json_of(end.out);
    if (end.code == 0) return out;
    out.code = "FAILED";
    out.message = "exit code " + std::to_string(end.code);
    if (const std::string_view said = trimmed_lines(end.err); !said.empty())
        out.message.append(": ").append(said.substr(0, kMessageBytesMax));
    return out;
}

// Under the mutex.
ActionRef ActionCaller::find(const RegistrySnapshot& registry, const OutsideAsk& ask) {
    if (!seen_.same_as(registry.actions)) {
        seen_ = registry.actions;
        by_id_.clear();
        seen_.for_each([this](const ActionRef& action) {
            by_id_.insert_or_assign({action->tenant.value, action->id}, action);
        });
    }
    const auto at = by_id_.find(std::pair(ask.tenant.value, ask.name));
    return at == by_id_.end() ? nullptr : at->second;
}

bool ActionCaller::ask(OutsideReceiver& receiver, std::uint64_t ticket, OutsideAsk&& ask) {
    const RegistrySnapshotRef registry = deps_.registry();
    ActionRef action;
    std::uint64_t number = 0;
    std::optional<courier::HttpCall> call;
    std::optional<CommandJob> job;
    std::optional<OutsideAnswer> refusal;
    {
        const std::lock_guard lock(mutex_);
        action = find(*registry, ask);
        const FindSecret find_secret = [&](std::string_view name, std::string& value) {
            const SecretRef secret = secrets_.find(*registry, ask.tenant, name);
            if (secret) value = secret->value;
            return secret != nullptr;
        };
        if (!action) {
            refusal = refused("NOT_FOUND", "no action has the name \"" + ask.name + "\"");
        } else if (action->http) {
            auto made = make_action_call(*action, ask, deps_.clock->wall_us(), find_secret);
            if (made)
                call = std::move(*made);
            else
                refusal = refused("INVALID", made.error().message);
            if (!deps_.http) refusal = refused("DISABLED", "this server makes no calls");
        } else {
            auto made = make_action_job(*action, ask, find_secret);
            if (made)
                job = std::move(*made);
            else
                refusal = refused("INVALID", made.error().message);
            if (!deps_.commands || !deps_.commands_enabled)
                refusal =
                    refused("DISABLED", "commands are switched off (executors.command.enabled)");
        }
        if (!refusal) {
            number = ++last_number_;
            Pending pending{&receiver, ticket, job.has_value(), mask_.of(*registry, ask.tenant)};
            pending_.emplace(number, std::move(pending));
            numbers_.emplace(Asker(&receiver, ticket), number);
        }
    }
    if (refusal) {
        receiver.answered(ticket, std::move(*refusal));
        return true;
    }
    const bool taken = call ? deps_.http->send(*this, number, std::move(*call))
                            : deps_.commands->run(*this, number, std::move(*job));
    if (taken) return true;
    const std::lock_guard lock(mutex_);
    pending_.erase(number);
    numbers_.erase(Asker(&receiver, ticket));
    return false;
}

void ActionCaller::cancel(OutsideReceiver& receiver, std::uint64_t ticket) {
    std::uint64_t number = 0;
    bool command = false;
    {
        const std::lock_guard lock(mutex_);
        const auto at = numbers_.find(Asker(&receiver, ticket));
        if (at == numbers_.end()) return;
        number = at->second;
        numbers_.erase(at);
        const auto pending = pending_.find(number);
        command = pending->second.command;
        pending_.erase(pending);
    }
    if (command)
        deps_.commands->cancel(*this, number);
    else
        deps_.http->cancel(*this, number);
}

void ActionCaller::answer(std::uint64_t number, OutsideAnswer&& answer) {
    Pending pending;
    {
        const std::lock_guard lock(mutex_);
        const auto at = pending_.find(number);
        if (at == pending_.end()) return;  // cancelled meanwhile
        pending = std::move(at->second);
        pending_.erase(at);
        numbers_.erase(Asker(pending.receiver, pending.ticket));
    }
    pending.hidden.hide(answer.message);
    pending.receiver->answered(pending.ticket, std::move(answer));
}

void ActionCaller::receive(std::uint64_t ticket, courier::HttpAnswer&& from) {
    answer(ticket, judge_action(from));
}

void ActionCaller::ended(std::uint64_t ticket, CommandEnd&& end) {
    answer(ticket, judge_action(end));
}

}  // namespace millrace::runtime
