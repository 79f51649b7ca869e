#include "runtime/grpc/frames.h"

#include <algorithm>

namespace millrace::runtime::grpc {

void append_frame(std::string& out, std::string_view message) {
    out.push_back(0);
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>((message.size() >> shift) & 0xff));
    out.append(message);
}

core::Status FrameReader::read_head(std::string_view text, Head& head) const {
    if (text[0] != 0 && text[0] != 1) {
        return core::fail(core::ErrorCode::kValidation,
                          "the first byte of a message is " +
                              std::to_string(static_cast<unsigned char>(text[0])) +
                              ": neither 0 nor 1");
    }
    head.compressed = text[0] == 1;
    head.bytes = 0;
    for (std::size_t i = 1; i < kFrameHeadBytes; ++i)
        head.bytes = (head.bytes << 8) | static_cast<unsigned char>(text[i]);
    if (head.bytes <= message_bytes_max_) return {};
    return core::fail(core::Error(core::ErrorCode::kPayloadTooLarge,
                                  "a message of " + std::to_string(head.bytes) + " bytes exceeds " +
                                      std::to_string(message_bytes_max_))
                          .bound(static_cast<std::int64_t>(message_bytes_max_)));
}

bool FrameReader::fill(std::string_view& data, std::size_t bytes) {
    const std::size_t part = std::min(data.size(), bytes - kept_.size());
    kept_.append(data.substr(0, part));
    data.remove_prefix(part);
    return kept_.size() >= bytes;
}

void FrameReader::release() {
    constexpr std::size_t kKeepBytes = 16u << 10;
    kept_.clear();
    if (kept_.capacity() > kKeepBytes) std::string().swap(kept_);
}

}  // namespace millrace::runtime::grpc
