#include "bench/loadgen/protocol.h"

#include <array>
#include <charconv>
#include <cstring>

namespace millrace::bench {

namespace {

constexpr std::string_view kIdMark = "\"eventId\":\"";
constexpr std::string_view kPatternMark = "\"pattern\":\"svc";
constexpr std::size_t kErrorTextMax = 300;

std::uint64_t scramble(std::uint64_t x) {  // splitmix64's finalizer: a bijection
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

struct HexPairs {
    std::array<std::array<char, 2>, 256> pairs{};
    constexpr HexPairs() {
        constexpr std::string_view kDigits = "0123456789abcdef";
        for (std::size_t i = 0; i < 256; ++i) pairs[i] = {kDigits[i >> 4], kDigits[i & 15]};
    }
};
constexpr HexPairs kHex;

void put_hex(char* to, std::uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) {
        std::memcpy(to + i * 2, kHex.pairs[(value >> (i * 8)) & 255].data(), 2);
    }
}

std::uint64_t number_after(std::string_view text, std::string_view mark) {
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos) return 0;
    std::uint64_t value = 0;
    const char* from = text.data() + at + mark.size();
    std::from_chars(from, text.data() + text.size(), value);
    return value;
}

// HTTP/1.1 replies with Content-Length, one after another.
class HttpReader : public ReplyReader {
public:
    // `accepts`: the answer says how many events it has taken.
    HttpReader(std::size_t batch_events, bool accepts)
        : batch_events_(batch_events), accepts_(accepts) {}

    std::size_t take(std::string_view bytes) override {
        std::size_t done = 0;
        // Usual case: exactly whole replies, nothing kept from before; no copy then.
        std::string_view rest = bytes;
        if (!kept_.empty()) {
            kept_.append(bytes);
            rest = kept_;
        }
        while (const std::size_t used = one(rest)) {
            ++done;
            rest.remove_prefix(used);
        }
        std::string left(rest);
        kept_.swap(left);
        return done;
    }

private:
    std::size_t one(std::string_view text) {
        const std::size_t head_end = text.find("\r\n\r\n");
        if (head_end == std::string_view::npos) return 0;
        const std::string_view head = text.substr(0, head_end);
        std::size_t length = number_after(head, "Content-Length: ");
        if (length == 0) length = number_after(head, "content-length: ");
        const std::size_t size = head_end + 4 + length;
        if (text.size() < size) return 0;
        const std::string_view body = text.substr(head_end + 4, length);
        const bool good = head.size() > 12 && head[9] == '2';
        if (!good) {
            note_error(text.substr(0, size));
            events_refused += batch_events_;
        } else if (!accepts_) {
            return size;
        } else if (const auto accepted = number_after(body, "\"accepted\":");
                   !body.empty() && accepted != batch_events_) {
            events_refused += batch_events_ - accepted;
            note_error(body);
        }
        return size;
    }

    std::size_t batch_events_;
    bool accepts_;
    std::string kept_;
};

// {"ack":N,...} lines: the first N lines are durable.
class LinesReader : public ReplyReader {
public:
    explicit LinesReader(std::size_t batch_events) : batch_events_(batch_events) {}

    std::size_t take(std::string_view bytes) override {
        kept_.append(bytes);
        std::string_view rest = kept_;
        for (std::size_t end; (end = rest.find('\n')) != std::string_view::npos;) {
            const std::string_view line = rest.substr(0, end);
            if (line.find("\"ack\"") != std::string_view::npos) {
                acked_ = number_after(line, "\"ack\":");
            } else {
                ++events_refused;
                note_error(line);
            }
            rest.remove_prefix(end + 1);
        }
        kept_.erase(0, kept_.size() - rest.size());
        const std::size_t total = static_cast<std::size_t>(acked_) / batch_events_;
        const std::size_t done = total - finished_;
        finished_ = total;
        return done;
    }

private:
    std::size_t batch_events_;
    std::uint64_t acked_ = 0;
    std::size_t finished_ = 0;
    std::string kept_;
};

// "$15\r\n1700000000000-0\r\n" per XADD; errors begin with '-'.
class RedisReader : public ReplyReader {
public:
    explicit RedisReader(std::size_t batch_events) : batch_events_(batch_events) {}

    std::size_t take(std::string_view bytes) override {
        for (std::size_t at = 0; at < bytes.size();) {
            if (at_line_start_ && bytes[at] == '-') {
                ++events_refused;
                ++lines_;  // an error is one line, a reply two
                note_error(bytes.substr(at, 100));
            }
            const auto* end =
                static_cast<const char*>(std::memchr(bytes.data() + at, '\n', bytes.size() - at));
            at_line_start_ = end != nullptr;
            if (end == nullptr) break;
            ++lines_;
            at = static_cast<std::size_t>(end - bytes.data()) + 1;
        }
        const std::size_t total = static_cast<std::size_t>(lines_ / 2) / batch_events_;
        const std::size_t done = total - finished_;
        finished_ = total;
        return done;
    }

private:
    std::size_t batch_events_;
    std::uint64_t lines_ = 0;
    std::size_t finished_ = 0;
    bool at_line_start_ = true;
};

}  // namespace

void IdSource::write_uuid(char* to) {
    const std::uint64_t value = scramble(seed_ + ++counter_);
    const std::uint64_t other = scramble(seed_ ^ value);
    put_hex(to, value, 4);
    put_hex(to + 9, value >> 32, 2);
    put_hex(to + 15, value >> 48, 1);  // after the version digit
    put_hex(to + 20, value >> 56, 1);
    put_hex(to + 24, other, 6);
}

void Request::append_events(const RequestOptions& options, std::string_view before_each) {
    const std::size_t id_at = options.event_text.find(kIdMark) + kIdMark.size();
    const std::size_t digits_at = options.event_text.find(kPatternMark) + kPatternMark.size();
    for (std::size_t i = 0; i < options.batch_events; ++i) {
        bytes_ += before_each;
        const std::size_t start = bytes_.size();
        bytes_ += options.event_text;
        const std::size_t which = i % options.patterns;
        bytes_[start + digits_at] = static_cast<char>('0' + which / 10 % 10);
        bytes_[start + digits_at + 1] = static_cast<char>('0' + which % 10);
        id_offsets_.push_back(start + id_at);
        bytes_ += options.mode == Mode::kRedis ? "\r\n" : "\n";
    }
}

void Request::make_call(const RequestOptions& options) {
    constexpr std::string_view kPlace = "{id}", kAnId = "00000000-0000-4000-8000-000000000000";
    const auto with_ids = [&](std::string_view text, auto& places) {
        std::string out;
        for (std::size_t at; (at = text.find(kPlace)) != std::string_view::npos;) {
            out += text.substr(0, at);
            places.push_back(out.size());
            out += kAnId;
            text.remove_prefix(at + kPlace.size());
        }
        return out.append(text);
    };
    std::vector<std::size_t> in_body;
    const std::string body = with_ids(options.body, in_body);
    bytes_ = with_ids(options.method + " " + options.path, id_offsets_) +
             " HTTP/1.1\r\nHost: " + options.host + "\r\n";
    if (!body.empty()) {
        bytes_ +=
            "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
            "\r\n";
    }
    bytes_ += "\r\n";
    for (const std::size_t place : in_body) id_offsets_.push_back(bytes_.size() + place);
    bytes_ += body;
}

Request::Request(const RequestOptions& options) {
    if (options.mode == Mode::kHttpCall) {
        make_call(options);
        return;
    }
    events_ = options.batch_events;
    if (options.mode == Mode::kRedis) {
        // The peer's stream entry: one field with the same bytes, the id made by the server.
        const std::string& key = options.stream_key;
        append_events(options, "*5\r\n$4\r\nXADD\r\n$" + std::to_string(key.size()) + "\r\n" + key +
                                   "\r\n$1\r\n*\r\n$1\r\nd\r\n$" +
                                   std::to_string(options.event_text.size()) + "\r\n");
        patched_ = false;
        return;
    }
    append_events(options, "");
    if (options.mode == Mode::kLines) return;
    const bool single = options.mode == Mode::kHttpSingle;
    if (single) bytes_.pop_back();
    const std::string head =
        "POST /v2/events" + options.query + " HTTP/1.1\r\nHost: " + options.host +
        "\r\nContent-Type: " + (single ? "application/json" : "application/x-ndjson") +
        "\r\nContent-Length: " + std::to_string(bytes_.size()) + "\r\n\r\n";
    bytes_.insert(0, head);
    for (std::size_t& offset : id_offsets_) offset += head.size();
}

void Request::refresh(IdSource& ids) {
    if (!patched_) return;
    for (const std::size_t offset : id_offsets_) ids.write_uuid(bytes_.data() + offset);
}

void ReplyReader::note_error(std::string_view text) {
    if (errors++ == 0) first_error = text.substr(0, kErrorTextMax);
}

std::unique_ptr<ReplyReader> make_reply_reader(const RequestOptions& options) {
    switch (options.mode) {
        case Mode::kLines: return std::make_unique<LinesReader>(options.batch_events);
        case Mode::kRedis: return std::make_unique<RedisReader>(options.batch_events);
        case Mode::kHttpCall: return std::make_unique<HttpReader>(1, false);
        case Mode::kHttpBatch:
        case Mode::kHttpSingle: break;
    }
    return std::make_unique<HttpReader>(options.batch_events, true);
}

}  // namespace millrace::bench
