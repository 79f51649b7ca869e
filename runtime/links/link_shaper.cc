#include "runtime/links/link_shaper.h"

#include "runtime/delivery/event_input.h"
#include "runtime/inbound/hook_transform.h"
#include "runtime/links/link_text.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

LinkShaper::LinkShaper(Deps deps)
    : deps_(std::move(deps)),
      random_(deps_.seed),
      incoming_(kLinksMax),
      transform_(deps_.watchdog_slot, deps_.seed) {}

void LinkShaper::shape(std::unique_ptr<Job> job) {
    incoming_.push_beyond(std::move(job));
    wake();
}

void LinkShaper::run(const RegistrySnapshot& registry, const Link& link, Text& text) {
    const Script* const script = registry.script(link.transform_script);
    if (!script) {
        text.error.assign(kTransformFailed)
            .append("script '" + link.transform_script_id + "' does not exist");
        return;
    }
    Script bounded = *script;
    bounded.timeout_ms = std::min(bounded.timeout_ms, kRunMsMax);
    const FindSecret find_secret = [&](std::string_view name, std::string& value) {
        const SecretRef secret = secrets_.find(registry, link.tenant, name);
        if (secret) value = secret->value;
        return secret != nullptr;
    };
    ReadingHost host({deps_.clock, &random_, deps_.kv}, link.tenant, find_secret);
    run_script(bounded, link, host, text);
    // People read both.
    const HiddenTexts& hidden = mask_.of(registry, link.tenant);
    (void)hidden.hide(text.error);
    (void)hidden.hide_in_json(text.logs_json, kHiddenLogs);
}

void LinkShaper::run_script(const Script& script, const Link& link, LuaHost& host, Text& text) {
    EventInput event = event_input_of(text.event, link.tenant, text.at_us);
    const TransformInput input{nullptr, &event, text.pattern, text.id, 1};
    AttemptResult result;
    std::string refused;
    if (link.direction == LinkDirection::kIn) {
        // Without what a server fills in: one that returns the event it got returns what came.
        event.kind = EventInput::Kind::kValue;
        std::string json;
        if (transform_.returned(script, input, host, json, result)) {
            if (auto made = inbound::transformed_event(text.event, json))
                text.shaped = std::move(*made);
            else
                refused = made.error().message;
        }
        text.logs_json = std::move(result.logs_json);
    } else {
        Reshaped out;
        if (transform_.run(script, input, host, out, result)) {
            if (out.headers.empty())
                text.shaped = std::move(out.body);
            else
                refused = kLinkSendsNoHeaders;
        }
        text.logs_json = std::move(out.logs_json.empty() ? result.logs_json : out.logs_json);
    }
    text.error = std::move(result.error);
    if (!refused.empty()) text.error.assign(kTransformFailed).append(refused);
}

void LinkShaper::work_at(Job& job) {
    const RegistrySnapshotRef registry = deps_.registry();
    const std::int64_t end_ns = deps_.clock->monotonic_ns() + kSliceNs;
    // What a reader of JSON wants to find behind the text.
    while (job.next < job.texts.size()) {
        Text& text = job.texts[job.next++];
        if (text.error.empty()) {
            const std::size_t bytes = text.event.size();
            text.event.append(core::kPaddingBytes, ' ');
            text.event.resize(bytes);
            run(*registry, *job.link, text);
        }
        if (deps_.clock->monotonic_ns() >= end_ns) return;
    }
}

std::size_t LinkShaper::do_work() {
    std::unique_ptr<Job> job;
    while (incoming_.try_pop(job)) jobs_.push_back(std::move(job));
    if (jobs_.empty()) return 0;
    job = std::move(jobs_.front());
    jobs_.pop_front();
    work_at(*job);
    if (job->next < job->texts.size()) {
        jobs_.push_back(std::move(job));
        return 1;
    }
    const auto done = std::move(job->done);
    done(std::move(*job));
    return 1;
}

}  // namespace millrace::runtime
