#include "runtime/edge/ingest_reply.h"

#include "io/error_body.h"
#include "store/log/durability_text.h"
#include "store/log/event_id.h"

#include <algorithm>

namespace millrace::runtime {

namespace {

void write_event(const IngestItem& item, const store::Hasher& hasher, io::BodyWriter& body) {
    body.append("{\"eventId\":");
    if (item.event_id.empty()) {
        char* at = body.reserve(store::kEventIdTextBytes + 2);
        at[0] = '"';
        store::encode_event_id_to(hasher, item.position, at + 1);
        at[store::kEventIdTextBytes + 1] = '"';
        body.commit(store::kEventIdTextBytes + 2);
    } else {
        body.append_json_string(item.event_id);
    }
    body.append(",\"shard\":");
    body.append_int(item.position.shard.value);
    body.append(",\"offset\":");
    body.append_int(item.position.offset.value);
    body.append(item.duplicate ? ",\"duplicate\":true}" : ",\"duplicate\":false}");
}

void write_rejected(const std::vector<RejectedEntry>& rejected, io::BodyWriter& body) {
    body.append('[');
    for (std::size_t i = 0; i < rejected.size(); ++i) {
        if (i != 0) body.append(',');
        body.append("{\"index\":");
        body.append_int(rejected[i].entry);
        body.append(",\"error\":");
        io::append_error_object(body, rejected[i].error, rejected[i].errors);
        body.append('}');
    }
    body.append(']');
}

// Nothing was taken: one error for the whole call, the entries' own beside it.
IngestReply write_refusal(const IngestRequest& request, io::BodyWriter& body) {
    const core::Error& first = request.rejected.front().error;
    IngestReply reply;
    const bool busy = first.code == core::ErrorCode::kRateLimited;
    const bool same = request.single_object || busy || first.code == core::ErrorCode::kForbidden;
    reply.status = same ? core::error_code_status(first.code) : 400;
    reply.retry_after_seconds = first.retry_after_seconds;
    core::Error error = first;
    if (!same) error.code = core::ErrorCode::kValidation;
    if (!request.single_object) {
        const std::size_t refused = request.rejected.size();
        error.message = refused == 1 ? std::string("nothing was taken: entry ")
                                     : "nothing was taken: " + std::to_string(refused) +
                                           " entries are refused; the first, entry ";
        error.message += std::to_string(request.rejected.front().entry) + ": " + first.message;
    }
    body.append("{\"success\":false,\"error\":");
    io::append_error_object(
        body, error,
        request.single_object ? std::string_view(request.rejected.front().errors) : "");
    body.append(",\"accepted\":0,\"duplicates\":0,\"rejected\":");
    write_rejected(request.rejected, body);
    body.append('}');
    return reply;
}

}  // namespace

IngestReply write_ingest_reply(IngestRequest& request, const store::Hasher& hasher,
                               std::int64_t busy_seconds, io::BodyWriter& body,
                               std::string_view replicated) {
    std::size_t accepted = 0;
    std::size_t duplicates = 0;
    for (const IngestItem& item : request.items) {
        if (item.refused) {
            request.rejected.push_back(
                {item.entry, core::Error(core::ErrorCode::kRateLimited,
                                         "the identity index is catching up; send it again")
                                 .retry_after(busy_seconds)});
        } else {
            ++(item.duplicate ? duplicates : accepted);
        }
    }
    std::sort(request.rejected.begin(), request.rejected.end(),
              [](const RejectedEntry& a, const RejectedEntry& b) { return a.entry < b.entry; });
    if (accepted + duplicates == 0 && !request.rejected.empty())
        return write_refusal(request, body);

    body.append("{\"success\":true,\"accepted\":");
    body.append_int(accepted);
    body.append(",\"duplicates\":");
    body.append_int(duplicates);
    body.append(",\"rejected\":");
    write_rejected(request.rejected, body);
    const store::Durability durability = request.told_durability();
    if (!replicated.empty() && durability == store::Durability::kFsync) {
        body.append(',');
        body.append(replicated);
    } else {
        body.append(",\"durability\":\"");
        body.append(store::durability_text(durability));
        body.append('"');
    }
    if (request.reply_ids == ReplyIds::kInclude) {
        body.append(",\"events\":[");
        bool first = true;
        for (const IngestItem& item : request.items) {
            if (item.refused) continue;
            if (!first) body.append(',');
            first = false;
            write_event(item, hasher, body);
        }
        body.append(']');
    }
    body.append('}');
    return {};
}

}  // namespace millrace::runtime
