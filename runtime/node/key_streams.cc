// One stream of events, put together of those of all partitions.
#include "runtime/identity/trusted_front.h"
#include "runtime/node/key_ways.h"
#include "runtime/node/page_merge.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

namespace millrace::runtime::node {
namespace {

void stream_refused(KeyFront& key, Passage& passage, StreamPart& part) {
    // It may be on the stack, with its parts.
    key.keep(std::move(passage.merge));
    passage.partition = part.partition;
    if (part.told == "unknown-tenant" && !passage.tenant_made)
        return key.desk().make_tenant(passage);
    if (part.status == 0 || !part.told.empty()) return key.desk().hold(passage);
    key.desk().answer_text(passage, part.status, part.content_type, part.refusal);
}

}  // namespace

// From a moment, or from a place that was told before, which is one of each partition.
void open_streams(KeyFront& key, Passage& passage, std::size_t /*home*/) {
    const std::size_t partitions = key.routing().targets.size();
    const std::string last(value_of(passage.headers, "Last-Event-ID"));
    const std::string from = parameter_of(passage.target, "from").value_or("");
    const bool resumes = !last.empty() || (from.starts_with('m') && from.size() > 1);
    MergedCursor places;
    if (resumes) {
        auto read = read_merged_cursor(last.empty() ? from : last, partitions);
        if (!read || std::any_of(read->begin(), read->end(),
                                 [](const std::string& one) { return one.empty(); })) {
            return key.desk().answer(passage,
                                     core::Error(core::ErrorCode::kValidation,
                                                 "this is no place that a stream of this cluster "
                                                 "has told")
                                         .in(last.empty() ? "from" : "Last-Event-ID"));
        }
        places = std::move(*read);
    }
    for (std::size_t p = 0; p < partitions; ++p) {
        if (key.routing().targets[p].where != Target::Where::kNowhere) continue;
        passage.partition = p;
        return key.desk().hold(passage);
    }
    passage.merge = std::make_unique<StreamMerge>(
        StreamMerge::Host{
            .client = &key.client(),
            .begin = [&passage] { passage.begin_merged(); },
            .refused = [&key, &passage](StreamPart& part) { stream_refused(key, passage, part); },
            .write = [&passage](std::string_view text) { passage.tell(text); },
            .end = [&passage] { passage.end_merged(); }},
        partitions);
    HeaderList headers = passage.headers;
    set_value(headers, kPlacesHeader, "1");
    for (const auto& part : passage.merge->parts()) {
        std::string target = passage.target;
        if (!last.empty())
            set_value(headers, "Last-Event-ID", places[part->partition]);
        else if (resumes)
            target =
                with_parameter(without_parameter(target, "from"), "from", places[part->partition]);
        const std::string number = std::to_string(part->partition);
        const std::array<std::pair<std::string_view, std::string_view>, 4> own = {
            {{identity::kFrontTokenHeader, key.desk().cluster_token()},
             {identity::kFrontPeerHeader, passage.peer},
             {identity::kFrontPrincipalHeader, passage.who->principal},
             {kPartitionHeader, number}}};
        const std::string head = forward_head(
            {.method = io::Method::kGet, .target = target, .headers = &headers, .own = own});
        if (key.client().start(*part, key.routing().targets[part->partition].address, head, {}))
            continue;
        passage.merge->cancel();
        return stream_refused(key, passage, *part);
    }
}

}  // namespace millrace::runtime::node
