// Fuzzes what a Redis server says: whole or byte by byte the same replies come out of it, and each
// is looked at as what a source asks for; nothing of it is believed.
#include "core/assert.h"
#include "runtime/links/redis_replies.h"
#include "runtime/links/redis_stream.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace millrace::runtime;

std::string replies_of(std::string_view bytes, std::size_t step) {
    RedisReplies replies;
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        replies.feed(bytes.substr(at, step));
        while (replies.next() == RedisReplies::Found::kReply) {
            RedisReading all = replies.reply();
            out += std::to_string(static_cast<int>(all.peek().kind)) + ":" +
                   std::string(all.peek().text) + ";";
            StreamInfo info;
            (void)read_stream_info(replies.reply(), info);
            LinkConfig config;
            StreamPlace place;
            SourceBatch batch;
            if (read_entries(replies.reply(), config, place, batch) && batch.size() > 0)
                MR_ASSERT(StreamPlace::read(place.json()).has_value());
            (void)check_stream(info, place, true);
            config.format = LinkFormat::kFields;
            batch.clear();
            (void)read_entries(replies.reply(), config, place, batch);
            out += std::to_string(batch.size()) + ",";
        }
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    MR_ASSERT(replies_of(text, bytes + 1) == replies_of(text, 1));
    return 0;
}
