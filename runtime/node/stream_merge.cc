#include "runtime/node/stream_merge.h"

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/told_error.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::node {
namespace {

constexpr std::size_t kRefusalBytesMax = 64u << 10;

// The value behind "name: " where the line is that field.
bool field_of(std::string_view line, std::string_view name, std::string_view& out) {
    if (!line.starts_with(name) || line.substr(name.size(), 2) != ": ") return false;
    out = line.substr(name.size() + 2);
    return true;
}

SseReader::Message message_of(std::string_view text) {
    SseReader::Message out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        (void)(field_of(line, "event", out.event) || field_of(line, "id", out.id) ||
               field_of(line, "data", out.data));
    }
    return out;
}

}  // namespace

bool SseReader::feed(std::string_view bytes, const std::function<void(const Message&)>& take) {
    pending_.append(bytes);
    std::size_t begin = 0;
    for (;;) {
        const std::size_t end = pending_.find("\n\n", std::max(begin, looked_));
        if (end == std::string::npos) break;
        const Message message = message_of(std::string_view(pending_).substr(begin, end - begin));
        begin = looked_ = end + 2;
        if (!message.data.empty() || !message.id.empty()) take(message);
    }
    pending_.erase(0, begin);
    // A line end may be the first of two.
    looked_ = pending_.empty() ? 0 : pending_.size() - 1;
    return pending_.size() <= kMessageBytesMax;
}

void StreamPart::answer_head(const io::AnswerHead& head) {
    status = head.status;
    content_type = head.content_type;
    told = head.header(identity::kFrontAnswerHeader);
}

void StreamPart::answer_bytes(std::string_view bytes) {
    if (status != 200) {
        if (refusal.size() + bytes.size() <= kRefusalBytesMax) refusal.append(bytes);
        return;
    }
    const bool reads = reader_.feed(
        bytes, [this](const SseReader::Message& message) { whole_.take(*this, message); });
    if (!reads) whole_.stop(*this);
}

void StreamPart::answer_end() {
    over = true;
    whole_.stop(*this);
}

void StreamPart::failed(Failure /*how*/, std::string_view /*why*/) {
    over = true;
    if (!whole_.has_begun()) status = 0;
    whole_.stop(*this);
}

StreamMerge::StreamMerge(Host host, std::size_t partitions)
    : host_(std::move(host)), at_(partitions) {
    for (std::size_t p = 0; p < partitions; ++p)
        parts_.push_back(std::make_unique<StreamPart>(*this, p));
}

StreamMerge::~StreamMerge() { cancel(); }

void StreamMerge::cancel() {
    over_ = true;
    for (auto& part : parts_) {
        if (part->under_way()) host_.client->cancel(*part);
    }
}

void StreamMerge::pause() {
    for (auto& part : parts_) {
        if (part->under_way()) host_.client->pause(*part);
    }
}

void StreamMerge::resume() {
    for (auto& part : parts_) {
        if (part->under_way()) host_.client->resume(*part);
    }
}

// Until all have said where they begin there is no id to tell anything with.
void StreamMerge::take(StreamPart& part, const SseReader::Message& message) {
    if (over_ || message.data.empty()) return;
    if (begun_) return tell(part.partition, message);
    if (part.placed) {
        early_.push_back({part.partition, std::string(message.event), std::string(message.id),
                          std::string(message.data)});
        return;
    }
    part.placed = true;
    at_[part.partition] = message.id;
    host_.client->pause(part);
    if (!std::all_of(parts_.begin(), parts_.end(), [](const auto& one) { return one->placed; }))
        return;
    begun_ = true;
    host_.begin();
    if (over_) return;
    resume();
    host_.write("id: " + write_merged_cursor(at_) + "\n\n");
    const std::vector<Early> early = std::move(early_);
    for (const Early& one : early) tell(one.partition, {one.event, one.id, one.data});
}

void StreamMerge::tell(std::size_t partition, const SseReader::Message& message) {
    if (over_) return;
    if (!message.id.empty()) at_[partition] = message.id;
    if (message.event == "error") return tell_end(message.data);
    std::string text;
    // Without data: a client only remembers it.
    if (message.event == "place") return host_.write("id: " + write_merged_cursor(at_) + "\n\n");
    if (!message.event.empty()) text.append("event: ").append(message.event).append("\n");
    if (!message.id.empty()) text += "id: " + write_merged_cursor(at_) + "\n";
    text.append("data: ").append(message.data).append("\n\n");
    host_.write(text);
}

// Of one partition; where it goes on is the place of all.
void StreamMerge::tell_end(std::string_view why) {
    core::JsonDom dom;
    const auto root = dom.parse(why);
    const core::Error error = root ? read_told_error(*root) : core::Error();
    std::string text = "event: error\ndata: ";
    core::JsonWriter json(text);
    json.begin_object().field("code", core::error_code_text(error.code));
    json.field("message", error.message).field("position", write_merged_cursor(at_)).end_object();
    host_.write(text + "\n\n");
    if (over_) return;
    cancel();
    host_.end();
}

void StreamMerge::stop(StreamPart& part) {
    if (over_) return;
    if (begun_) {
        cancel();
        return host_.end();
    }
    cancel();
    host_.refused(part);
}

}  // namespace millrace::runtime::node
