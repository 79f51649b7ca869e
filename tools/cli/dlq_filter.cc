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

namespace {

// Each member, under the name that the interface has for it; times as it takes them.
template <typename Visit>
void visit_members(const DlqFilter& of, Visit visit) {
    const std::int64_t now_us = wall_clock_us();
    visit("scriptId", of.script_id);
    visit("subscriptionId", of.subscription_id);
    visit("pattern", of.pattern);
    visit("errorFingerprint", of.fingerprint);
    visit("from", time_argument(of.from, now_us));
    visit("to", time_argument(of.to, now_us));
}

}  // namespace

bool DlqFilter::empty() const { return body().empty(); }

bool DlqFilter::find(CliContext& context) {
    return resolve_filter(context, kScripts, script_id) &&
           resolve_filter(context, kHandlers, subscription_id);
}

Query DlqFilter::query() const {
    Query out;
    visit_members(*this,
                  [&out](std::string_view name, std::string_view value) { out.add(name, value); });
    return out;
}

JsonObject DlqFilter::body() const {
    JsonObject out;
    visit_members(
        *this, [&out](std::string_view name, std::string_view value) { out.text_if(name, value); });
    return out;
}

}  // namespace millrace::tools
