#include "runtime/links/link_logs.h"

#include "core/json_writer.h"
#include "core/timestamp.h"

#include <utility>

namespace millrace::runtime {

void LinkLogs::add(std::string_view id, std::string_view logs_json, std::int64_t at_us) {
    if (logs_json.empty()) return;
    std::string run;
    core::JsonWriter json(run);
    json.begin_object().field("id", id).field("at", core::format_timestamp(at_us));
    if (logs_json.size() <= kBytesMax / 2)
        json.raw_field("logs", logs_json);
    else
        json.field("bytesLeftOut", logs_json.size());
    json.end_object();
    bytes_ += run.size();
    runs_.push_front(std::move(run));
    while (runs_.size() > kRunsMax || (bytes_ > kBytesMax && runs_.size() > 1)) {
        bytes_ -= runs_.back().size();
        runs_.pop_back();
    }
    shown_ = nullptr;
}

std::shared_ptr<const std::string> LinkLogs::shown() {
    if (shown_ || runs_.empty()) return shown_;
    std::string all = "[";
    for (const std::string& run : runs_) {
        if (all.size() > 1) all += ',';
        all += run;
    }
    shown_ = std::make_shared<const std::string>(std::move(all += ']'));
    return shown_;
}

}  // namespace millrace::runtime
