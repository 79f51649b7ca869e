// What: streams of events of all a tenant's partitions, for the faces of a front that are no
//       Server-Sent Events: each is a GET /v2/events/stream of the front to itself, read here and
//       told in the words of whoever opened it (stream/stream_source.h). One whose owner is lost
//       begins again where it was, and its client does not notice.
// Threads: the front's. Lifetime: borrows what Deps name.
// Limits: kStreamsMax. Of what a client does not take one piece is kept; then nothing more is read
//         from the partitions.
// Failure: before it has begun as the front answers; later as a stream tells its end. kGiveUpNs
//          without an owner end it.
#pragma once

#include "core/result.h"
#include "runtime/node/front_calls.h"
#include "runtime/node/stream_merge.h"
#include "runtime/stream/stream_source.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::runtime::node {

class FrontTail final : public StreamSource {
public:
    static constexpr std::size_t kStreamsMax = 1024;
    static constexpr std::int64_t kAgainNs = 100'000'000;
    static constexpr std::int64_t kGiveUpNs = 30'000'000'000;
    static constexpr std::int64_t kKeepAliveNs = 15'000'000'000;

    struct Deps {
        FrontCalls* calls = nullptr;
        std::function<CallerRef(io::RequestToken)> caller;
        // Of a connection that has not begun: false, it is gone.
        std::function<bool(const StreamRequest&)> begin;
        std::function<void(const StreamRequest&, core::Error&&)> refuse;
        std::function<io::WriteOutcome(io::RequestToken, std::string_view)> write;
        std::function<void(io::RequestToken)> end;
    };
    explicit FrontTail(Deps deps) : deps_(std::move(deps)) {}

    std::uint64_t open(StreamRequest&& request) override;
    void stop(std::uint64_t number) override;
    void closed(io::RequestToken token);
    void drained(io::RequestToken token);
    // Those that were cut begin again.
    void look(std::int64_t now_ns);
    // Something is due by the clock.
    bool waits() const;
    std::size_t streams() const { return streams_.size(); }

private:
    class Answer;
    struct Stream {
        std::uint64_t number = 0;
        StreamRequest request;
        CallerRef caller;
        std::uint64_t asked = 0;  // the front's request; 0: none is under way
        std::string place;        // where it goes on
        SseReader reader;
        std::string unsent;
        bool begun = false;  // its client has been told so
        bool full = false;   // its client does not take what is unsent
        bool over = false;   // nothing follows what is unsent
        std::int64_t again_ns = 0;
        std::int64_t give_up_ns = 0;
        std::int64_t written_ns = 0;
    };

    Stream* find(std::uint64_t number);
    void ask(Stream& stream);
    void refused(std::uint64_t number, int status, std::string_view body);
    bool begins(std::uint64_t number);
    io::WriteOutcome take(std::uint64_t number, std::string_view bytes);
    void take_message(Stream& stream, const SseReader::Message& message);
    void cut(std::uint64_t number);
    void append_failure(Stream& stream, const core::Error& error, std::string_view data);
    void fail(Stream& stream, const core::Error& error);
    void come_again(Stream& stream, const core::Error& why);
    // The stream may be gone behind it.
    void flush(Stream& stream);

    Deps deps_;
    std::map<std::uint64_t, std::unique_ptr<Stream>> streams_;
    std::uint64_t next_number_ = 1;
};

}  // namespace millrace::runtime::node
