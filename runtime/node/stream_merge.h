// What: the event streams of several partitions as one: each event as its partition tells it, with
//       the places of all of them as its id, from which it goes on without a gap or a repeat. In a
//       partition events come in its order; between partitions as they come.
// Threads: the front's. Lifetime: the front's; its exchanges are cancelled before they are freed.
// Limits: kMessageBytesMax; while the client does not read, no partition is read from.
// Failure: a partition that ends ends the whole, and the client comes back with its last id.
#pragma once

#include "io/http_client.h"
#include "runtime/node/page_merge.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::node {

// Server-Sent Events as partitions write them, from pieces.
class SseReader {
public:
    static constexpr std::size_t kMessageBytesMax = 32u << 20;
    struct Message {
        std::string_view event, id, data;  // until the next feed()
    };
    // Calls `take` for each message that is whole. False: this is none of ours.
    bool feed(std::string_view bytes, const std::function<void(const Message&)>& take);

private:
    std::string pending_;
    std::size_t looked_ = 0;
};

class StreamMerge;

class StreamPart final : public io::HttpExchange {
public:
    StreamPart(StreamMerge& whole, std::size_t where) : partition(where), whole_(whole) {}
    void answer_head(const io::AnswerHead& head) override;
    void answer_bytes(std::string_view bytes) override;
    void answer_end() override;
    void failed(Failure how, std::string_view why) override;

    const std::size_t partition;
    int status = 0;
    std::string content_type, told, refusal;
    bool placed = false;
    bool over = false;

private:
    StreamMerge& whole_;
    SseReader reader_;
};

class StreamMerge {
public:
    struct Host {
        io::HttpClient* client = nullptr;
        // All have said where they begin.
        std::function<void()> begin;
        // One has answered something else, or nothing: before anything was told.
        std::function<void(StreamPart&)> refused;
        std::function<void(std::string_view)> write;
        std::function<void()> end;
    };
    StreamMerge(Host host, std::size_t partitions);
    ~StreamMerge();
    StreamMerge(const StreamMerge&) = delete;
    StreamMerge& operator=(const StreamMerge&) = delete;

    std::vector<std::unique_ptr<StreamPart>>& parts() { return parts_; }
    bool has_begun() const { return begun_; }
    bool is_over() const { return over_; }
    void pause();
    void resume();
    void cancel();

private:
    friend class StreamPart;
    // One that came before all had begun, told when they have.
    struct Early {
        std::size_t partition = 0;
        std::string event, id, data;
    };
    void take(StreamPart& part, const SseReader::Message& message);
    void tell(std::size_t partition, const SseReader::Message& message);
    void tell_end(std::string_view why);
    void stop(StreamPart& part);

    Host host_;
    std::vector<std::unique_ptr<StreamPart>> parts_;
    MergedCursor at_;
    std::vector<Early> early_;
    bool begun_ = false;
    bool over_ = false;
};

}  // namespace millrace::runtime::node
