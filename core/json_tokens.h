// What: simdjson's first stage on its own: UTF-8 check and token positions of a text.
// Threads: one owner. Lifetime: positions are valid until the next run().
// Limits: texts below 4 GiB. Failure: a JsonFault; memory is grown as needed.
#pragma once

#include "core/json_faults.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace millrace::core {

class JsonTokens {
public:
    JsonTokens();
    ~JsonTokens();
    JsonTokens(const JsonTokens&) = delete;
    JsonTokens& operator=(const JsonTokens&) = delete;

    // The text needs no padding here.
    JsonFault run(const char* text, std::size_t bytes);
    // The tokens of the first `bytes` of a longer valid text, as far as they are whole; no check is
    // made.
    bool run_beginning(const char* text, std::size_t bytes);
    // Two more positions stand behind the last one, where a walk that runs past the end stops: of
    // the blank at the text's end, or of its first ':'. Without either has_sentinel() is false and
    // the text must not be walked.
    const std::uint32_t* begin() const { return positions_; }
    const std::uint32_t* end() const { return positions_ + count_; }
    bool has_sentinel() const { return has_sentinel_; }

    // Gives memory back that one large text took.
    void shrink(std::size_t bytes_max);

private:
    bool grow(std::size_t bytes);
    void set_sentinel(const char* text, std::size_t bytes);

    struct Stage;
    std::unique_ptr<Stage> stage_;
    std::uint32_t* positions_ = nullptr;
    std::size_t count_ = 0;
    std::size_t capacity_ = 0;
    bool has_sentinel_ = false;
};

}  // namespace millrace::core
