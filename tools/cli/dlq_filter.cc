#include "tools/cli/dlq_filter.h"

#include "tools/cli/resolve.h"

namespace millrace::tools {

void DlqFilter::add_options(CLI::App& verb) {
    add_selection(verb);
    verb.add_option("--fingerprint", fingerprint, "of the error, as `dlq groups` lists them");
}

void DlqFilter::add_selection(CLI::App& verb) {
    verb.add_option("--script", script_id, "id, name or the beginning of an id");
    verb.add_option("--handler", subscription_id, "id, name or the beginning of an id");
    verb.add_option("--pattern", pattern, "of the event; stars are wildcards");
    verb.add_option("--from", from, "RFC 3339, or 15m, 2h, 7d ago");
    verb.add_option("--to", to, "RFC 3339, or 15m, 2h, 7d ago");
}

bool DlqFilter::empty() const {
    return script_id.empty() && subscription_id.empty() && pattern.empty() && fingerprint.empty() &&
           from.empty() && to.empty();
}

bool DlqFilter::find(CliContext& context) {
    return resolve_filter(context, kScripts, script_id) &&
           resolve_filter(context, kHandlers, subscription_id);
}

Query DlqFilter::query() const {
    const std::int64_t now_us = wall_clock_us();
    Query out;
    out.add("scriptId", script_id).add("subscriptionId", subscription_id);
    out.add("pattern", pattern).add("errorFingerprint", fingerprint);
    out.add("from", time_argument(from, now_us)).add("to", time_argument(to, now_us));
    return out;
}

JsonObject DlqFilter::body() const {
    const std::int64_t now_us = wall_clock_us();
    JsonObject out;
    out.text_if("scriptId", script_id).text_if("subscriptionId", subscription_id);
    out.text_if("pattern", pattern).text_if("errorFingerprint", fingerprint);
    out.text_if("from", time_argument(from, now_us)).text_if("to", time_argument(to, now_us));
    return out;
}

}  // namespace millrace::tools
