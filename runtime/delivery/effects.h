// What: what an attempt wants done, owning all its bytes: written down by an executor while it
//       works, taken over by the delivery's commit if the attempt went well.
// Threads: one owner at a time; move or swap it to hand it over.
// Lifetime: the views given out live until reset(), wherever the object is moved to.
// Limits: those of the executor that fills it. Failure: none.
#pragma once

#include "core/text_arena.h"
#include "runtime/delivery/script_types.h"

#include <cstddef>
#include <cstring>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::store {
class RowBatch;
}

namespace millrace::runtime {

// Copies of texts at addresses that never move. What a run kept beyond kBytesHeld is given back
// with the next reset().
class KeptTexts {
public:
    std::string_view keep(std::string_view text) {
        if (text.empty()) return {};
        char* at = arena_.reserve(text.size());
        std::memcpy(at, text.data(), text.size());
        arena_.keep(text.size());
        bytes_ += text.size();
        return {at, text.size()};
    }
    void reset() {
        if (bytes_ > kBytesHeld)
            arena_ = core::TextArena{};
        else
            arena_.clear();
        bytes_ = 0;
    }
    std::size_t bytes() const { return bytes_; }

private:
    static constexpr std::size_t kBytesHeld = 128u << 10;
    core::TextArena arena_;
    std::size_t bytes_ = 0;
};

struct AttemptEffects {
    KeptTexts texts;
    std::vector<EmittedEvent> emitted;
    std::vector<KvOp> kv_ops;
    std::string_view response;  // JSON: what an endpoint answers (endpoint_answer.h)
    // JSON: bodies of subscriptions that an endpoint wants its script to have.
    std::vector<std::string_view> subscriptions;
    std::string_view document;    // JSON: what a hook before a change has left of its document
    std::string_view abort_json;  // {"code","message","details"?}: it wants the change not to be
    // Rows of its own in the same commit, and who is told when it is durable, on a shard's thread.
    std::function<void(store::RowBatch&)> write_rows;
    std::function<void()> when_durable;

    void reset() {
        texts.reset();
        emitted.clear();
        kv_ops.clear();
        response = {};
        subscriptions.clear();
        document = {};
        abort_json = {};
        if (write_rows) write_rows = nullptr;
        if (when_durable) when_durable = nullptr;
    }
    // Most have no functions, and an exchange of those is what costs.
    void swap(AttemptEffects& other) noexcept {
        std::swap(texts, other.texts);
        emitted.swap(other.emitted);
        kv_ops.swap(other.kv_ops);
        std::swap(response, other.response);
        subscriptions.swap(other.subscriptions);
        std::swap(document, other.document);
        std::swap(abort_json, other.abort_json);
        if (write_rows || other.write_rows) write_rows.swap(other.write_rows);
        if (when_durable || other.when_durable) when_durable.swap(other.when_durable);
    }
    bool empty() const {
        return emitted.empty() && kv_ops.empty() && response.empty() && subscriptions.empty() &&
               document.empty() && abort_json.empty() && !write_rows && !when_durable;
    }
    // What another attempt of the same commit wants done, behind what is here.
    void append(const AttemptEffects& other);
};

}  // namespace millrace::runtime
