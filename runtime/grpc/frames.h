// What: gRPC's messages within the data of a stream: a byte that says whether it is compressed,
//       four of its length, the message.
// Threads: one owner. Lifetime: one call's. What is handed on lives until the next take().
// Limits: what it is told; a longer message is refused when its length is known.
// Failure: an Error: kPayloadTooLarge, or kValidation for a flag that is none.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::runtime::grpc {

inline constexpr std::size_t kFrameHeadBytes = 5;

void append_frame(std::string& out, std::string_view message);

class FrameReader {
public:
    explicit FrameReader(std::size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

    // Calls each(bool compressed, std::string_view message) -> core::Status for those that are
    // whole now, until one fails.
    template <typename Each>
    core::Status take(std::string_view data, const Each& each) {
        Head head;
        while (!data.empty() || !kept_.empty()) {
            const std::string_view text = kept_.empty() ? data : std::string_view(kept_);
            if (text.size() < kFrameHeadBytes) {
                if (!fill(data, kFrameHeadBytes)) return {};
                continue;
            }
            if (auto read = read_head(text, head); !read) return read;
            const std::size_t whole = kFrameHeadBytes + head.bytes;
            if (text.size() < whole) {
                if (!fill(data, whole)) return {};
                continue;
            }
            auto taken = each(head.compressed, text.substr(kFrameHeadBytes, head.bytes));
            if (kept_.empty())
                data.remove_prefix(whole);
            else
                release();
            if (!taken) return taken;
        }
        return {};
    }
    // Of a message that has begun.
    std::size_t kept_bytes() const { return kept_.size(); }

private:
    struct Head {
        bool compressed = false;
        std::size_t bytes = 0;
    };
    core::Status read_head(std::string_view text, Head& head) const;
    // From the data into what is kept, until that has `bytes`; false: there are not so many.
    bool fill(std::string_view& data, std::size_t bytes);
    void release();

    const std::size_t message_bytes_max_;
    std::string kept_;  // the beginning of the next message
};

}  // namespace millrace::runtime::grpc
