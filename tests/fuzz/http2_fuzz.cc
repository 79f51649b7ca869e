// Goal: whatever a client sends behind HTTP/2's preface, a session ends well or goes on: it answers
// requests, gives room, and never says more than a client that sends so much may make it say.
// Method: the input in two cuts, into a session that answers each request at once.
#include "core/assert.h"
#include "io/http2_session.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace {

using namespace millrace::io;

class Answers final : public Http2Handler {
public:
    void on_request(std::uint32_t stream, Http2Request&& request) override {
        MR_ASSERT(open_.insert(stream).second);
        const HeaderField head[] = {{":status", "200"}, {"x-path", request.path}};
        if (request.headers.size() % 2 == 0) {
            MR_ASSERT(session->end(stream, head));
            return;
        }
        MR_ASSERT(session->respond(stream, head));
        MR_ASSERT(session->write(stream, std::string(1000, 'a')));
        session->want_room(stream, 10);
    }
    void on_data(std::uint32_t stream, std::string_view bytes) override {
        MR_ASSERT(open_.contains(stream));
        session->write(stream, bytes);
        session->give_room(stream, bytes.size());
    }
    void on_end(std::uint32_t stream) override {
        MR_ASSERT(open_.contains(stream));
        const HeaderField trailers[] = {{"x-end", "1"}};
        session->end(stream, trailers);
    }
    void on_room(std::uint32_t stream) override { MR_ASSERT(open_.contains(stream)); }
    void on_closed(std::uint32_t stream) override { MR_ASSERT(open_.erase(stream) == 1); }

    Http2Session* session = nullptr;

private:
    std::set<std::uint32_t> open_;
};

void run(std::string_view bytes, std::size_t step) {
    Answers answers;
    Http2Counters counters;
    Http2Session session(answers, {.streams_max = 8, .header_bytes_max = 512}, counters);
    answers.session = &session;
    std::int64_t now_ns = 1;
    std::string said;
    bool goes_on = session.take("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", now_ns);
    for (std::size_t at = 0; goes_on && at < bytes.size(); at += step) {
        goes_on = session.take(bytes.substr(at, step), now_ns += 1'000'000);
        said.clear();
        session.pull(said, 64u << 10);
    }
    if (!goes_on) {
        for (int i = 0; i < 1000 && session.wants_write(); ++i) {
            said.clear();
            session.pull(said, 64u << 10);
            if (said.empty()) break;
        }
        MR_ASSERT(!session.take("x", now_ns) || session.over());
    }
    MR_ASSERT(session.unsent_bytes() < (64u << 20));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    run(bytes, size + 1);
    run(bytes, 7);
    return 0;
}
