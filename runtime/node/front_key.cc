// Part of Front: where a tenant's events live by their keys, each partition has some of them. What
// comes is cut up, what is asked is asked of all, and what is told is what all have said.
#include "core/json_dom.h"
#include "io/http_head.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/front.h"
#include "runtime/node/ingest_merge.h"
#include "runtime/node/key_routes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace millrace::runtime::node {
namespace {

std::string_view header_of(const HeaderList& headers, std::string_view name) {
    for (const auto& [key, value] : headers) {
        if (io::equals_ignore_case(key, name)) return value;
    }
    return {};
}

void set_header(HeaderList& headers, std::string_view name, std::string_view value) {
    std::erase_if(headers,
                  [name](const auto& one) { return io::equals_ignore_case(one.first, name); });
    headers.emplace_back(name, value);
}

core::Error no_partition(std::size_t partitions) {
    return core::Error(core::ErrorCode::kValidation,
                       "query parameter partition: name one of the cluster's, 0 to " +
                           std::to_string(partitions - 1) +
                           ": with cluster.partition_by = \"key\" each has its own")
        .in("partition");
}

// What each of some entries' partitions is, for people.
std::string partitions_text(const SplitPlan& plan) {
    constexpr std::size_t kShown = 10;
    std::string out;
    for (std::size_t i = 0; i < std::min(plan.entries.size(), kShown); ++i) {
        out += (i == 0 ? "" : ", ") + std::string("entry ") +
               std::to_string(plan.entries[i].number) + " in " +
               std::to_string(plan.entries[i].partition);
    }
    if (plan.entries.size() > kShown) out += ", ...";
    return out;
}

core::Error not_all_or_none(const SplitPlan& plan) {
    return core::Error(core::ErrorCode::kNotSupported,
                       "atomic: events that live in several partitions can not be taken all or "
                       "none; give them one partitionKey, or send them without it (" +
                           partitions_text(plan) + ")")
        .in("atomic");
}

core::Error no_other_place() {
    return core::Error(core::ErrorCode::kNotSupported,
                       "from: with cluster.partition_by = \"key\" a subscription goes on where it "
                       "is in each partition")
        .in("from");
}

core::Error silent(std::size_t partition) {
    return core::Error(core::ErrorCode::kUnavailable,
                       "partition " + std::to_string(partition) +
                           " did not answer, and without it the answer would not be whole; come "
                           "again")
        .retry_after(1);
}

// A place in the log is one partition's: no word names it in all of them.
bool resumes_elsewhere(const Passage& passage) {
    if (!passage.path.starts_with("/v2/subscriptions/") || !passage.path.ends_with("/resume") ||
        !passage.body)
        return false;
    core::JsonDom dom;
    auto root = dom.parse(passage.body.view());
    core::JsonElement from;
    return root && root->is_object() && root->find("from", from);
}

bool is_set(const std::optional<std::string>& flag) {
    return flag && *flag != "0" && *flag != "false";
}

}  // namespace

void Front::go_by_key(Passage& passage, std::size_t home) {
    const std::string_view principal = passage.who->principal;
    if (passage.decided) return pass_to(passage, *passage.decided, principal);
    const KeyRoute route = key_route(passage.method, passage.path);
    switch (route.way) {
        case KeyWay::kRefused:
            figures_.refused.fetch_add(1, std::memory_order_relaxed);
            return answer(passage,
                          core::Error(core::ErrorCode::kNotSupported, std::string(route.why)));
        case KeyWay::kChange:
            if (resumes_elsewhere(passage)) return answer(passage, no_other_place());
            passage.follows = true;
            return pass_to(passage, home, principal);
        case KeyWay::kHome: return pass_to(passage, home, principal);
        case KeyWay::kHomeOrOne:
            if (passage.query_partition.empty() && !parameter_of(passage.target, "partition"))
                return pass_to(passage, home, principal);
            return pass_to_one(passage);
        case KeyWay::kOfOne: return pass_to_one(passage);
        case KeyWay::kEvents: return take_events(passage, home);
        case KeyWay::kById: return ask_all(passage, Gathering::What::kById);
        case KeyWay::kPage: return ask_page(passage);
        case KeyWay::kStream: return open_streams(passage);
    }
}

void Front::pass_to_one(Passage& passage) {
    std::string digits = passage.query_partition;
    if (digits.empty()) digits = parameter_of(passage.target, "partition").value_or("");
    std::size_t partition = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), partition);
    if (digits.empty() || read.ec != std::errc() || read.ptr != digits.data() + digits.size() ||
        partition >= routing_->targets.size())
        return answer(passage, no_partition(routing_->targets.size()));
    passage.target = without_parameter(passage.target, "partition");
    passage.decided = partition;
    pass_to(passage, partition, passage.who->principal);
}

// ---- events that come

void Front::take_events(Passage& passage, std::size_t home) {
    const std::string_view type = header_of(passage.headers, "Content-Type");
    std::vector<io::HeaderField> headers;
    for (const auto& [name, value] : passage.headers) headers.push_back({name, value});
    const auto form = body_form(type, headers);
    // What is refused whatever stands in it is refused by whoever knows the words.
    if (!form || !passage.who->scopes.has(identity::Scope::kEventsWrite)) {
        passage.decided = home;
        return pass_to(passage, home, passage.who->principal);
    }
    const SplitRules rules{.tenant = passage.who->tenant,
                           .hash_seed = routing_->hash_seed,
                           .partitions = routing_->targets.size(),
                           .event_bytes_max = event_bytes_max_,
                           .entries_max = entries_max_};
    const std::string_view text = passage.body ? passage.body.view() : std::string_view();
    auto plan = split_.read({.text = text, .form = *form, .content_type = type, .headers = headers},
                            rules, ids_);
    if (!plan) return answer(passage, plan.error());
    const auto only = plan->only_partition();
    if (plan->entries.empty() && plan->refused.empty()) {
        passage.decided = home;
    } else if (only && plan->as_came) {
        passage.decided = only;
    } else if (only && plan->single && plan->refused.empty()) {
        io::BodyWriter body = public_->body_writer();
        append_entry(body, plan->entries.front(), ids_);
        passage.body = body.take();
        set_header(passage.headers, "Content-Type", plan->content_type);
        passage.decided = only;
    }
    if (passage.decided) return pass_to(passage, *passage.decided, passage.who->principal);
    if (is_set(parameter_of(passage.target, "atomic"))) {
        if (!only && !plan->entries.empty()) return answer(passage, not_all_or_none(*plan));
        if (!plan->refused.empty()) plan->entries.clear();
    }
    split_events(passage, std::move(*plan));
}

void Front::split_events(Passage& passage, SplitPlan&& plan) {
    auto whole = new_gathering(Gathering::What::kEvents, passage);
    whole->repeatable = false;
    whole->answer_ns = kEventsNs;
    whole->plan = std::move(plan);
    set_header(whole->headers, "Content-Type", whole->plan.content_type);
    std::vector<std::unique_ptr<io::BodyWriter>> bodies(routing_->targets.size());
    std::vector<Part*> parts(routing_->targets.size());
    for (std::uint32_t i = 0; i < whole->plan.entries.size(); ++i) {
        const SplitEntry& entry = whole->plan.entries[i];
        const bool first = !bodies[entry.partition];
        if (first) {
            bodies[entry.partition] = std::make_unique<io::BodyWriter>(public_->body_writer());
            parts[entry.partition] =
                whole->parts
                    .emplace_back(std::make_unique<Part>(gatherer_, *whole, entry.partition))
                    .get();
            parts[entry.partition]->target = passage.target;
        }
        bodies[entry.partition]->append(first ? '[' : ',');
        append_entry(*bodies[entry.partition], entry, ids_);
        parts[entry.partition]->entries.push_back(i);
    }
    for (std::size_t p = 0; p < parts.size(); ++p) {
        if (!parts[p]) continue;
        bodies[p]->append(']');
        parts[p]->body = bodies[p]->take();
    }
    gatherer_.start(std::move(whole));
}

void Front::tell_events(Passage& passage, const Gathering& whole) {
    std::vector<PartAnswer> answers;
    for (const auto& part : whole.parts) {
        PartAnswer& one = answers.emplace_back();
        one.partition = part->partition;
        one.status = part->status;
        one.body = part->text;
        one.entries = part->entries;
        one.fate = part->state == Part::State::kAnswered   ? PartAnswer::Fate::kAnswered
                   : part->state == Part::State::kNotTaken ? PartAnswer::Fate::kNotTaken
                                                           : PartAnswer::Fate::kUnknown;
        if (one.fate == PartAnswer::Fate::kUnknown)
            figures_.unknown.fetch_add(1, std::memory_order_relaxed);
    }
    io::BodyWriter body = public_->body_writer();
    const MergedReply reply = merge_ingest(whole.plan, ids_, answers, body);
    const std::string seconds = std::to_string(reply.retry_after_seconds);
    const std::array<io::HeaderField, 1> retry{{{"Retry-After", seconds}}};
    io::ResponseHead head{.status = reply.status};
    if (reply.retry_after_seconds >= 0) head.headers = retry;
    passage.server().respond(passage.token, head, std::move(body));
    finish(passage);
}

// ---- what is asked of all

std::unique_ptr<Gathering> Front::new_gathering(Gathering::What what,
                                                const Passage& passage) const {
    auto whole = std::make_unique<Gathering>(what, passage.id());
    whole->method = passage.method;
    whole->headers = passage.headers;
    whole->principal = passage.who ? passage.who->principal : std::string();
    whole->peer = passage.peer;
    whole->repeatable = is_repeatable(passage.method);
    whole->hold_until_ns = now_ns() + kHoldNs;
    whole->answer_ns = kGatherNs;
    return whole;
}

void Front::add_parts(Gathering& whole, std::string_view target) {
    for (std::size_t p = 0; p < routing_->targets.size(); ++p) {
        auto& part = whole.parts.emplace_back(std::make_unique<Part>(gatherer_, whole, p));
        part->target = target;
    }
}

void Front::ask_all(Passage& passage, Gathering::What what) {
    auto whole = new_gathering(what, passage);
    add_parts(*whole, passage.target);
    for (auto& part : whole->parts) part->body = passage.body;
    gatherer_.start(std::move(whole));
}

void Front::ask_page(Passage& passage) {
    const bool counts = is_set(parameter_of(passage.target, "count"));
    auto whole = new_gathering(counts ? Gathering::What::kCount : Gathering::What::kPage, passage);
    const std::string text = parameter_of(passage.target, "cursor").value_or("");
    auto cursor = read_merged_cursor(text, routing_->targets.size());
    if (!cursor) {
        return answer(passage, core::Error(core::ErrorCode::kValidation,
                                           "cursor is not one that this list gave")
                                   .in("cursor"));
    }
    whole->cursor = std::move(*cursor);
    const std::string limit = parameter_of(passage.target, "limit").value_or("");
    // One that does not read is refused where it is asked.
    (void)std::from_chars(limit.data(), limit.data() + limit.size(), whole->page.limit);
    // Of one event they all come at once.
    if (parameter_of(passage.target, "eventId"))
        whole->page.limit = std::numeric_limits<std::size_t>::max();
    if (parameter_of(passage.target, "order").value_or("") == "asc")
        whole->page.order = MergeOrder::kOldestFirst;
    set_header(whole->headers, kPlacesHeader, "1");
    const std::string target = without_parameter(passage.target, "cursor");
    for (std::size_t p = 0; p < routing_->targets.size(); ++p) {
        if (whole->cursor[p] == kAtEnd) continue;
        auto& part = whole->parts.emplace_back(std::make_unique<Part>(gatherer_, *whole, p));
        part->target =
            whole->cursor[p].empty() ? target : with_parameter(target, "cursor", whole->cursor[p]);
    }
    gatherer_.start(std::move(whole));
}

// One that knows it has said so; that there is none, all have.
void Front::tell_found(Passage& passage, const Gathering& whole) {
    const Part* told = nullptr;
    const auto rank = [](const Part& part) {
        if (part.good()) return 3;
        if (!(part.state == Part::State::kAnswered)) return 1;
        return part.status == 404 ? 0 : 2;
    };
    for (const auto& part : whole.parts) {
        if (!told || rank(*part) > rank(*told)) told = part.get();
    }
    if (rank(*told) != 1) return answer_text(passage, told->status, told->content_type, told->text);
    if (told->state == Part::State::kUnknown && !whole.repeatable)
        return answer_maybe_taken(passage);
    answer(passage, silent(told->partition));
}

void Front::tell_page(Passage& passage, const Gathering& whole) {
    std::vector<PartPage> pages;
    for (const auto& part : whole.parts) {
        if (part->state != Part::State::kAnswered) return answer(passage, silent(part->partition));
        if (!part->good())
            return answer_text(passage, part->status, part->content_type, part->text);
        pages.push_back({part->partition, part->text});
    }
    auto merged = whole.what == Gathering::What::kCount
                      ? merge_counts(pages, whole.cursor)
                      : merge_pages(pages, whole.cursor, whole.page);
    if (!merged) return answer(passage, merged.error());
    answer_text(passage, 200, "application/json", *merged);
}

// ---- streams

// From a moment, or from a place that was told before, which is one of each partition.
void Front::open_streams(Passage& passage) {
    const std::size_t partitions = routing_->targets.size();
    const std::string last(header_of(passage.headers, "Last-Event-ID"));
    const std::string from = parameter_of(passage.target, "from").value_or("");
    const bool resumes = !last.empty() || (from.starts_with('m') && from.size() > 1);
    MergedCursor places;
    if (resumes) {
        auto read = read_merged_cursor(last.empty() ? from : last, partitions);
        if (!read || std::any_of(read->begin(), read->end(),
                                 [](const std::string& one) { return one.empty(); })) {
            return answer(passage, core::Error(core::ErrorCode::kValidation,
                                               "this is no place that a stream of this cluster "
                                               "has told")
                                       .in(last.empty() ? "from" : "Last-Event-ID"));
        }
        places = std::move(*read);
    }
    for (std::size_t p = 0; p < partitions; ++p) {
        if (routing_->targets[p].where != Target::Where::kNowhere) continue;
        passage.partition = p;
        return hold(passage);
    }
    passage.merge = std::make_unique<StreamMerge>(
        StreamMerge::Host{
            .client = client_.get(),
            .begin = [&passage] { passage.begin_merged(); },
            .refused = [this, &passage](StreamPart& part) { stream_refused(passage, part); },
            .write = [&passage](std::string_view text) { passage.tell(text); },
            .end = [&passage] { passage.end_merged(); }},
        partitions);
    HeaderList headers = passage.headers;
    set_header(headers, kPlacesHeader, "1");
    for (const auto& part : passage.merge->parts()) {
        std::string target = passage.target;
        if (!last.empty())
            set_header(headers, "Last-Event-ID", places[part->partition]);
        else if (resumes)
            target =
                with_parameter(without_parameter(target, "from"), "from", places[part->partition]);
        const std::string number = std::to_string(part->partition);
        const std::array<std::pair<std::string_view, std::string_view>, 4> own = {
            {{identity::kFrontTokenHeader, settings_.token},
             {identity::kFrontPeerHeader, passage.peer},
             {identity::kFrontPrincipalHeader, passage.who->principal},
             {kPartitionHeader, number}}};
        const std::string head = forward_head(
            {.method = io::Method::kGet, .target = target, .headers = &headers, .own = own});
        if (client_->start(*part, routing_->targets[part->partition].address, head, {})) continue;
        passage.merge->cancel();
        return stream_refused(passage, *part);
    }
}

void Front::stream_refused(Passage& passage, StreamPart& part) {
    // It may be on the stack, with its parts.
    ended_merges_.push_back(std::move(passage.merge));
    passage.partition = part.partition;
    if (part.told == "unknown-tenant" && !passage.tenant_made) return make_tenant(passage);
    if (part.status == 0 || !part.told.empty()) return hold(passage);
    answer_text(passage, part.status, part.content_type, part.refusal);
}

// ---- what has been changed

bool Front::holds(Passage& passage) {
    if (!passage.follows || passage.status() < 200 || passage.status() >= 300) return false;
    passage.follows = false;
    follow_up(passage);
    return true;
}

void Front::follow_up(Passage& passage) {
    auto whole = std::make_unique<Gathering>(Gathering::What::kFollow, passage.id());
    whole->method = io::Method::kPost;
    whole->principal = own_principal_;
    whole->hold_until_ns = now_ns() + kFollowNs;
    whole->answer_ns = kFollowNs;
    add_parts(*whole, "/cluster/follow?home=" + std::to_string(passage.partition));
    std::erase_if(whole->parts,
                  [&](const auto& part) { return part->partition == passage.partition; });
    gatherer_.start(std::move(whole));
}

// Whoever owns nothing yet comes to what there is before it lets anything run.
void Front::tell_followed(Passage& passage, const Gathering& whole) {
    std::string behind;
    for (const auto& part : whole.parts) {
        const bool none = part->state == Part::State::kNotTaken &&
                          routing_->targets[part->partition].where == Target::Where::kNowhere;
        if (part->good() || none) continue;
        behind += (behind.empty() ? "" : ", ") + std::to_string(part->partition);
    }
    if (!behind.empty()) {
        return answer(
            passage,
            core::Error(core::ErrorCode::kUnavailable,
                        "this was taken and is in force in partition " +
                            std::to_string(passage.partition) + "; it is not yet in " + behind +
                            ", and will be when they can be reached: look before you "
                            "repeat it"));
    }
    passage.respond();
    passed(passage);
}

void Front::make_known(std::size_t partition, std::uint64_t passage, std::uint64_t gathering) {
    auto whole = std::make_unique<Gathering>(Gathering::What::kTenant, passage);
    whole->method = io::Method::kPost;
    whole->principal = own_principal_;
    whole->hold_until_ns = now_ns() + kHoldNs;
    whole->answer_ns = kHoldNs;
    whole->wakes = gathering;
    auto& part = whole->parts.emplace_back(std::make_unique<Part>(gatherer_, *whole, partition));
    part->target = "/cluster/follow?home=0";
    gatherer_.start(std::move(whole));
}

void Front::tenant_unknown(Gathering& whole, Part& part) {
    make_known(part.partition, whole.waits, whole.id);
}

// ---- GatherHost

std::string Front::head_of(const Gathering& whole, const Part& part) const {
    const std::string number = std::to_string(part.partition);
    std::vector<std::pair<std::string_view, std::string_view>> own = {
        {identity::kFrontTokenHeader, settings_.token}, {kPartitionHeader, number}};
    if (!whole.principal.empty())
        own.emplace_back(identity::kFrontPrincipalHeader, whole.principal);
    if (!whole.peer.empty()) own.emplace_back(identity::kFrontPeerHeader, whole.peer);
    if (whole.headers.empty()) own.emplace_back("Host", "localhost");
    return forward_head({.method = whole.method,
                         .target = part.target,
                         .headers = &whole.headers,
                         .body_bytes = part.body ? part.body.size() : 0,
                         .own = own});
}

void Front::gathered(Gathering& whole) {
    if (whole.what == Gathering::What::kTenant && whole.wakes != 0)
        return gatherer_.try_again(whole.wakes);
    const auto waits = passages_.find(whole.waits);
    if (waits == passages_.end()) return;
    Passage& passage = *waits->second;
    switch (whole.what) {
        case Gathering::What::kEvents: return tell_events(passage, whole);
        case Gathering::What::kById: return tell_found(passage, whole);
        case Gathering::What::kPage:
        case Gathering::What::kCount: return tell_page(passage, whole);
        case Gathering::What::kFollow: return tell_followed(passage, whole);
        case Gathering::What::kTenant: return hold(passage);
    }
}

}  // namespace millrace::runtime::node
