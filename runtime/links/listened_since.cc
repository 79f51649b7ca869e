#include "runtime/links/listened_since.h"

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/timestamp.h"

namespace millrace::runtime {

void ListenedSince::confirmed(SourceBatch& batch) {
    listens_ = true;
    batch.position = position();
    if (before_.empty()) return;
    core::JsonDocument document;
    auto kept = document.parse_object(before_);
    if (kept) kept->text("since", batch.missed_from);
    batch.gap = true;
    batch.missed_to = core::format_timestamp(since_us_);
}

std::string ListenedSince::next_id() {
    return std::to_string(since_us_) + "-" + std::to_string(++count_);
}

std::string ListenedSince::position() const {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("since", core::format_timestamp(since_us_));
    json.field("count", count_).end_object();
    return out;
}

}  // namespace millrace::runtime
