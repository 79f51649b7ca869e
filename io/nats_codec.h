// What: the text protocol of NATS on a client's side: reads what a server sends, in whatever pieces
//       it comes, and writes what a client says. What messages mean is their user's business.
// Threads: one owner; the functions are pure.
// Lifetime: texts of a frame are views of the reader, until the next call of feed().
// Limits: kNatsLineBytesMax of a line, kNatsMessageBytesMax of a message with its headers.
// Failure: kBroken, for good: the bytes are none of the protocol, or over a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace millrace::io {

inline constexpr std::size_t kNatsLineBytesMax = 64u << 10;
// What a server may be told to let through at most.
inline constexpr std::size_t kNatsMessageBytesMax = 64u << 20;
inline constexpr std::size_t kNatsSubjectBytesMax = 1'024;

struct NatsFrame {
    enum class Kind : std::uint8_t { kInfo, kMessage, kPing, kPong, kOk, kError };
    Kind kind = Kind::kPing;
    std::uint64_t sid = 0;  // of the subscription that a message is for
    std::string_view subject;
    std::string_view reply;    // where an answer to it goes; empty: nowhere
    std::string_view headers;  // with their first line; empty: none
    std::string_view text;     // a message's payload, INFO's JSON, an error's words
};

class NatsReader {
public:
    enum class Found : std::uint8_t { kNone, kFrame, kBroken };

    void feed(std::string_view bytes);
    Found next(NatsFrame& out);
    const std::string& why_broken() const { return broken_; }

private:
    Found read_line(std::string_view line, NatsFrame& out);
    Found read_message(std::string_view line, std::size_t line_bytes, NatsFrame& out);
    Found broken(std::string_view why);

    std::string buffer_;
    std::size_t at_ = 0;      // what lies before has been read
    std::size_t wanted_ = 0;  // so many bytes behind it make the next try worth while
    std::string broken_;
};

// ---- headers

// The number and words behind "NATS/1.0" in the first line: 0 where it has none.
struct NatsStatus {
    int code = 0;
    std::string_view text;
};
NatsStatus nats_status(std::string_view headers);
// The first of that name, in whatever case; empty: there is none.
std::string_view nats_header(std::string_view headers, std::string_view name);
// It can stand in a header.
bool is_nats_header_value(std::string_view text);

// ---- what a client says

struct NatsHeader {
    std::string_view name, value;
};
struct NatsPublish {
    std::string_view subject;
    std::string_view payload;
    std::span<const NatsHeader> headers;
    std::string_view reply;
};
void append_nats_publish(std::string& out, const NatsPublish& what);
void append_nats_subscribe(std::string& out, std::string_view subject, std::uint64_t sid);
void append_nats_unsubscribe(std::string& out, std::uint64_t sid);

// Parts between dots, none of them empty, without blanks; with `wildcards` a part may be "*", and
// the last one ">".
enum class NatsWildcards : std::uint8_t { kRefused, kAllowed };
bool is_nats_subject(std::string_view text, NatsWildcards wildcards);
// What a stream or consumer may be called.
bool is_nats_name(std::string_view text);

}  // namespace millrace::io
