#include "core/json_tokens.h"

#include <simdjson.h>

#include <algorithm>

namespace millrace::core {

struct JsonTokens::Stage {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

JsonTokens::JsonTokens() : stage_(std::make_unique<Stage>()) {}
JsonTokens::~JsonTokens() = default;

bool JsonTokens::grow(std::size_t bytes) {
    // The first stage alone uses no depth; the least the library takes is asked for.
    const std::size_t capacity = std::max<std::size_t>(bytes, 4096);
    auto& parser = stage_->parser;
    const simdjson::error_code error =
        parser ? parser->set_capacity(capacity)
               : simdjson::get_active_implementation()->create_dom_parser_implementation(capacity,
                                                                                         1, parser);
    capacity_ = error == simdjson::SUCCESS ? capacity : 0;
    if (capacity_ == 0) parser.reset();
    return capacity_ != 0;
}

void JsonTokens::shrink(std::size_t bytes_max) {
    if (capacity_ <= bytes_max) return;
    stage_->parser.reset();
    capacity_ = 0;
}

JsonFault JsonTokens::run(const char* text, std::size_t bytes) {
    if (bytes == 0) return JsonFault::kEmpty;
    if (bytes > capacity_ && !grow(bytes)) return JsonFault::kMemory;
    auto& parser = *stage_->parser;
    const simdjson::error_code error = parser.stage1(reinterpret_cast<const std::uint8_t*>(text),
                                                     bytes, simdjson::stage1_mode::regular);
    positions_ = parser.structural_indexes.get();
    count_ = parser.n_structural_indexes;
    switch (error) {
        case simdjson::SUCCESS: set_sentinel(text, bytes); return JsonFault::kNone;
        case simdjson::UTF8_ERROR: return JsonFault::kUtf8;
        case simdjson::UNESCAPED_CHARS: return JsonFault::kControlInString;
        case simdjson::UNCLOSED_STRING: return JsonFault::kUnclosedString;
        case simdjson::EMPTY: return JsonFault::kEmpty;
        default: return JsonFault::kMemory;
    }
}

bool JsonTokens::run_beginning(const char* text, std::size_t bytes) {
    if (bytes > capacity_ && !grow(bytes)) return false;
    auto& parser = *stage_->parser;
    // "Capacity" is how the library says that no document ends within; the tokens are there.
    const simdjson::error_code error =
        parser.stage1(reinterpret_cast<const std::uint8_t*>(text), bytes,
                      simdjson::stage1_mode::streaming_partial);
    if (error != simdjson::CAPACITY) return false;
    positions_ = parser.structural_indexes.get();
    count_ = parser.n_structural_indexes;
    return true;
}

// Any event begins {"key": so a ':' is among the first tokens; elsewhere a blank at the end will
// do.
void JsonTokens::set_sentinel(const char* text, std::size_t bytes) {
    std::uint32_t sentinel = 0;
    has_sentinel_ = text[bytes - 1] == '\n' || text[bytes - 1] == ' ';
    if (has_sentinel_) sentinel = static_cast<std::uint32_t>(bytes - 1);
    for (std::size_t i = 1; i < count_ && !has_sentinel_; ++i) {
        has_sentinel_ = text[positions_[i]] == ':';
        if (has_sentinel_) sentinel = positions_[i];
    }
    // The library allocates some positions more than there are bytes.
    positions_[count_] = sentinel;
    positions_[count_ + 1] = sentinel;
}

}  // namespace millrace::core
