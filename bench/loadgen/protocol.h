// What: the ways in that are measured (HTTP, the NDJSON socket), any other call over HTTP, and the
//       peer's (Redis XADD), as a request of B events whose ids are changed in place before each
//       sending, and a reader that counts finished requests in the bytes that come back.
// Threads: one per connection's driver. Lifetime: a Request owns its bytes.
// Limits: a reply head of at most 64 KiB.
// Failure: replies that are no success are counted as errors, with the first one's text kept.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::bench {

enum class Mode : std::uint8_t { kHttpBatch, kHttpSingle, kHttpCall, kLines, kRedis };

struct RequestOptions {
    Mode mode = Mode::kHttpBatch;
    std::size_t batch_events = 1000;
    std::size_t patterns = 100;    // svc00 .. svcNN, in turn
    std::string query = "?ids=0";  // of /v2/events
    std::string host = "127.0.0.1";
    std::string stream_key = "events";  // Redis
    std::string event_text;             // bench/corpus/invoice_event.json
    // kHttpCall: counted as one event each. {id} in path or body is a new one each time.
    std::string method = "GET";
    std::string path = "/healthz";
    std::string body;  // JSON; empty: none
};

// Where unique ids come from: a counter, scrambled so that they spread like random ones.
class IdSource {
public:
    explicit IdSource(std::uint64_t seed) : seed_(seed) {}
    void write_uuid(char* to);  // 36 bytes

private:
    std::uint64_t seed_;
    std::uint64_t counter_ = 0;
};

class Request {
public:
    explicit Request(const RequestOptions& options);
    // Gives every event of the request a new id.
    void refresh(IdSource& ids);
    std::string_view bytes() const { return bytes_; }
    std::size_t events() const { return events_; }

private:
    void make_call(const RequestOptions& options);
    void append_events(const RequestOptions& options, std::string_view before_each);

    std::string bytes_;
    std::vector<std::size_t> id_offsets_;
    std::size_t events_ = 1;
    bool patched_ = true;
};

// Counts finished requests. One per connection.
class ReplyReader {
public:
    virtual ~ReplyReader() = default;
    // Returns how many requests the bytes finished.
    virtual std::size_t take(std::string_view bytes) = 0;
    std::uint64_t errors = 0;
    std::uint64_t events_refused = 0;
    std::string first_error;

protected:
    void note_error(std::string_view text);
};

std::unique_ptr<ReplyReader> make_reply_reader(const RequestOptions& options);

}  // namespace millrace::bench
