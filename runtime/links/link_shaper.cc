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
    const auto fail = [&](std::string_view why) {
        text.error.assign(kTransformFailed).append(why);
    };
    const Script* const script = registry.script(link.transform_script);
    if (!script) return fail("script '" + link.transform_script_id + "' does not exist");
    Script bounded = *script;
    bounded.timeout_ms = std::min(bounded.timeout_ms, kRunMsMax);
    EventInput event = event_input_of(text.event, link.tenant, text.at_us);
    const FindSecret find_secret = [&](std::string_view name, std::string& value) {
        const SecretRef secret = secrets_.find(registry, link.tenant, name);
        if (secret) value = secret->value;
        return secret != nullptr;
    };
    ReadingHost host({deps_.clock, &random_, deps_.kv}, link.tenant, find_secret);
    const TransformInput input{nullptr, &event, text.pattern, text.id, 1};
    AttemptResult result;
    if (link.direction == LinkDirection::kIn) {
        // Without what a server fills in: one that returns the event it got returns what came.
        event.kind = EventInput::Kind::kValue;
        std::string json;
        if (transform_.returned(bounded, input, host, json, result)) {
            auto made = inbound::transformed_event(text.event, json);
            if (!made) return fail(made.error().message);
            text.shaped = std::move(*made);
            return;
        }
    } else {
        Reshaped out;
        if (transform_.run(bounded, input, host, out, result)) {
            if (!out.headers.empty()) return fail(kLinkSendsNoHeaders);
            text.shaped = std::move(out.body);
            return;
        }
    }
    text.error = std::move(result.error);
    // People read it.
    (void)mask_.of(registry, link.tenant).hide(text.error);
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
