// What: UTF-8 check and token positions of a text, by TokenScanner where the processor has what
//       that takes, by simdjson's first stage elsewhere.
// Threads: one owner. Lifetime: positions are valid until the next run().
// Limits: texts below 4 GiB. Failure: a JsonFault; memory is grown as needed.
#pragma once

#include "core/json_faults.h"
#include "core/token_scanner.h"

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
    // The tokens of a text that is known to be valid, some at a time: at first there are none, and
    // more() finds the next ones. False: there are no more. No check is made and no sentinel set.
    bool start_lazily(const char* text, std::size_t bytes);
    bool more();
    // Two more positions stand behind the last one, where a walk that runs past the end stops: of
    // the blank at the text's end, or of its first ':'. Without either has_sentinel() is false and
    // the text must not be walked.
    const std::uint32_t* begin() const { return positions_; }
    const std::uint32_t* end() const { return positions_ + count_; }
    bool has_sentinel() const { return has_sentinel_; }
    // Lazily: was there a backslash so far?
    bool has_backslash() const { return scanner_.has_backslash() || !scans_; }

    // For tests: simdjson's first stage, whatever the processor has.
    void use_library() {
        scans_ = false;
        capacity_ = 0;
    }

    // Gives memory back that one large text took.
    void shrink(std::size_t bytes_max);

private:
    // What one more() looks at: a few members of most events.
    static constexpr std::size_t kPieceBytes = 2 * TokenScanner::kBlockBytes;
    bool grow(std::size_t bytes);
    bool grow_library(std::size_t bytes);
    JsonFault scan_all(const char* text, std::size_t bytes);
    JsonFault run_library(const char* text, std::size_t bytes);
    void set_sentinel(const char* text, std::size_t bytes);

    struct Stage;
    std::unique_ptr<Stage> stage_;
    std::unique_ptr<std::uint32_t[]> buffer_;  // the scanner's positions
    std::uint32_t* positions_ = nullptr;
    std::size_t count_ = 0;
    std::size_t capacity_ = 0;  // bytes of text there is room for
    TokenScanner scanner_;
    bool scans_ = TokenScanner::is_supported();
    bool has_sentinel_ = false;
};

}  // namespace millrace::core
