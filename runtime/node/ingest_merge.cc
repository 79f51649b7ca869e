#include "runtime/node/ingest_merge.h"

#include "core/json_dom.h"
#include "io/error_body.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

namespace millrace::runtime::node {
namespace {

constexpr std::int64_t kRetrySeconds = 1;

std::string not_taken(std::size_t partition) {
    return io::error_object(core::Error(core::ErrorCode::kUnavailable,
                                        "nobody owns partition " + std::to_string(partition) +
                                            " at the moment: it was not taken; send it again with "
                                            "the same eventId")
                                .retry_after(kRetrySeconds));
}

std::string maybe_taken(std::size_t partition) {
    return io::error_object(core::Error(core::ErrorCode::kUnavailable,
                                        "the owner of partition " + std::to_string(partition) +
                                            " is gone: whether it was taken is not known; send it "
                                            "again with the same eventId")
                                .retry_after(kRetrySeconds));
}

// Of one entry: what stands in `events`, or why it was refused.
struct Outcome {
    std::string_view event, error;
    bool refused = false;
    std::size_t partition = 0;
};

// What an owner has said, held against what it was given.
class PartReader {
public:
    // False: it does not add up.
    bool read(const PartAnswer& part, std::span<Outcome> outcomes) {
        auto root = dom_.parse(part.body);
        core::JsonElement member;
        if (!root || !root->is_object()) return false;
        if (!root->find("rejected", member)) {
            if (part.status < 400 || !root->find("error", member)) return false;
            for (const std::uint32_t entry : part.entries)
                outcomes[entry] = {{}, member.raw(), true, part.partition};
            return true;
        }
        core::JsonArray rejected;
        if (!member.get(rejected) || !read_refused(part, rejected, outcomes)) return false;
        if (!count(*root, "accepted", accepted) || !count(*root, "duplicates", duplicates))
            return false;
        const std::size_t all = part.entries.size();
        if (accepted > all || duplicates > all || accepted + duplicates + rejected.size() != all)
            return false;
        if (root->find("durability", member)) durability = member.raw();
        if (root->find("epoch", member)) epoch = member.raw();
        core::JsonArray events;
        if (!root->find("events", member)) return true;
        return member.get(events) && read_taken(part, events, outcomes);
    }

    std::uint64_t accepted = 0, duplicates = 0;
    std::string_view durability, epoch;

private:
    static bool count(const core::JsonElement& root, std::string_view name, std::uint64_t& out) {
        core::JsonElement member;
        return root.find(name, member) && member.get(out);
    }
    static bool read_refused(const PartAnswer& part, const core::JsonArray& rejected,
                             std::span<Outcome> outcomes) {
        for (const core::JsonElement one : rejected) {
            core::JsonElement index, error;
            std::uint64_t at = 0;
            if (!one.find("index", index) || !index.get(at) || at >= part.entries.size() ||
                !one.find("error", error))
                return false;
            Outcome& outcome = outcomes[part.entries[at]];
            if (outcome.refused) return false;
            outcome = {{}, error.raw(), true, part.partition};
        }
        return true;
    }
    // In the order of the entries that were not refused.
    bool read_taken(const PartAnswer& part, const core::JsonArray& events,
                    std::span<Outcome> outcomes) const {
        if (events.size() != accepted + duplicates) return false;
        std::size_t at = 0;
        for (const core::JsonElement one : events) {
            while (at < part.entries.size() && outcomes[part.entries[at]].refused) ++at;
            if (at == part.entries.size() || !one.is_object()) return false;
            outcomes[part.entries[at]].event = one.raw();
            outcomes[part.entries[at++]].partition = part.partition;
        }
        return true;
    }

    core::JsonDom dom_;
};

void append_place(std::string& places, std::size_t partition, const PartReader& reader) {
    places += places.empty() ? "" : ",";
    places += "{\"partition\":" + std::to_string(partition);
    if (!reader.epoch.empty()) places += ",\"epoch\":" + std::string(reader.epoch);
    if (!reader.durability.empty()) places += ",\"durability\":" + std::string(reader.durability);
    places += '}';
}

struct Refusal {
    std::uint32_t number = 0;
    std::string_view error;
    std::uint64_t made = 0;
};

// Whoever has no id of their own for an entry is told the one that it was sent on with.
void write_refusals(const std::vector<Refusal>& refusals, const IdMaker& ids, io::BodyWriter& out) {
    out.append('[');
    for (std::size_t i = 0; i < refusals.size(); ++i) {
        if (i != 0) out.append(',');
        out.append("{\"index\":");
        out.append_int(refusals[i].number);
        if (refusals[i].made != 0) {
            out.append(",\"eventId\":");
            out.append_json_string(ids.text(refusals[i].made));
        }
        out.append(",\"error\":");
        out.append(refusals[i].error);
        out.append('}');
    }
    out.append(']');
}

struct ErrorParts {
    std::int64_t status = 503;
    std::string_view code, message;
};
ErrorParts parts_of(std::string_view error, core::JsonDom& dom) {
    ErrorParts out;
    core::JsonElement member;
    auto root = dom.parse(error);
    if (!root) return out;
    if (root->find("statusCode", member)) member.get(out.status);
    if (root->find("code", member)) member.get(out.code);
    if (root->find("message", member)) member.get(out.message);
    return out;
}

// Nothing was taken. Whoever may come again with all of it hears that first.
MergedReply write_nothing_taken(const std::vector<Refusal>& refusals, const IdMaker& ids,
                                io::BodyWriter& out) {
    core::JsonDom dom;
    const Refusal* told = refusals.data();
    bool same = true;
    const std::int64_t first = parts_of(told->error, dom).status;
    for (const Refusal& one : refusals) {
        const std::int64_t status = parts_of(one.error, dom).status;
        same = same && status == first;
        if (status == 503 && parts_of(told->error, dom).status != 503) told = &one;
    }
    const ErrorParts error = parts_of(told->error, dom);
    MergedReply reply;
    reply.status = same || error.status == 503 ? static_cast<int>(error.status) : 400;
    if (reply.status == 503 || reply.status == 429) reply.retry_after_seconds = kRetrySeconds;
    const std::string message =
        refusals.size() == 1 ? "nothing was taken: entry " + std::to_string(told->number) + ": " +
                                   std::string(error.message)
                             : "nothing was taken: " + std::to_string(refusals.size()) +
                                   " entries are refused; entry " + std::to_string(told->number) +
                                   ": " + std::string(error.message);
    out.append("{\"success\":false,\"error\":{\"message\":");
    out.append_json_string(message);
    out.append(",\"code\":");
    out.append_json_string(reply.status == 400 ? core::error_code_text(core::ErrorCode::kValidation)
                                               : error.code);
    out.append(",\"statusCode\":");
    out.append_int(reply.status);
    out.append(",\"details\":{}},\"accepted\":0,\"duplicates\":0,\"rejected\":");
    write_refusals(refusals, ids, out);
    out.append('}');
    return reply;
}

}  // namespace

MergedReply merge_ingest(const SplitPlan& plan, const IdMaker& ids,
                         std::span<const PartAnswer> parts, io::BodyWriter& out) {
    std::vector<Outcome> outcomes(plan.entries.size());
    std::vector<std::unique_ptr<PartReader>> readers;  // views are into what they read
    std::vector<std::string> texts;
    texts.reserve(plan.refused.size() + parts.size());
    MergedReply reply;
    std::uint64_t accepted = 0, duplicates = 0;
    std::string durability, places;
    bool one_durability = true;
    for (const PartAnswer& part : parts) {
        PartReader& reader = *readers.emplace_back(std::make_unique<PartReader>());
        if (part.fate == PartAnswer::Fate::kAnswered && reader.read(part, outcomes)) {
            accepted += reader.accepted;
            duplicates += reader.duplicates;
            if (reader.accepted + reader.duplicates == 0) continue;
            one_durability =
                one_durability && (durability.empty() || durability == reader.durability);
            if (durability.empty()) durability = reader.durability;
            append_place(places, part.partition, reader);
            continue;
        }
        texts.push_back(part.fate == PartAnswer::Fate::kNotTaken ? not_taken(part.partition)
                                                                 : maybe_taken(part.partition));
        reply.retry_after_seconds = kRetrySeconds;
        for (const std::uint32_t entry : part.entries)
            outcomes[entry] = {{}, texts.back(), true, part.partition};
    }
    std::vector<Refusal> refusals;
    for (const SplitRefusal& one : plan.refused) {
        texts.push_back(io::error_object(one.error));
        refusals.push_back({one.number, texts.back(), 0});
    }
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
        if (outcomes[i].refused)
            refusals.push_back({plan.entries[i].number, outcomes[i].error, plan.entries[i].made});
    }
    std::sort(refusals.begin(), refusals.end(),
              [](const Refusal& a, const Refusal& b) { return a.number < b.number; });
    if (accepted + duplicates == 0 && !refusals.empty())
        return write_nothing_taken(refusals, ids, out);

    out.append("{\"success\":true,\"accepted\":");
    out.append_int(accepted);
    out.append(",\"duplicates\":");
    out.append_int(duplicates);
    out.append(",\"rejected\":");
    write_refusals(refusals, ids, out);
    if (one_durability && !durability.empty()) {
        out.append(",\"durability\":");
        out.append(durability);
    }
    out.append(",\"partitions\":[");
    out.append(places);
    out.append(']');
    bool first = true;
    for (const Outcome& one : outcomes) {
        if (one.event.empty()) continue;
        out.append(first ? ",\"events\":[" : ",");
        first = false;
        out.append(one.event.substr(0, one.event.size() - 1));
        out.append(",\"partition\":");
        out.append_int(one.partition);
        out.append('}');
    }
    if (!first) out.append(']');
    out.append('}');
    return reply;
}

}  // namespace millrace::runtime::node
