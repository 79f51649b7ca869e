#include "core/json_tokens.h"

#include <simdjson.h>

#include <algorithm>
#include <new>

namespace millrace::core {

struct JsonTokens::Stage {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

JsonTokens::JsonTokens() : stage_(std::make_unique<Stage>()) {}
JsonTokens::~JsonTokens() = default;

bool JsonTokens::grow(std::size_t bytes) {
    if (bytes <= capacity_) return true;
    const std::size_t capacity = std::max<std::size_t>(bytes, 4096);
    capacity_ = 0;
    if (!scans_) return grow_library(capacity);
    buffer_.reset();
    buffer_.reset(new (std::nothrow) std::uint32_t[capacity + TokenScanner::kSpare]);
    if (buffer_) capacity_ = capacity;
    return buffer_ != nullptr;
}

bool JsonTokens::grow_library(std::size_t capacity) {
    // The first stage alone uses no depth; the least the library takes is asked for.
    auto& parser = stage_->parser;
    const simdjson::error_code error =
        parser ? parser->set_capacity(capacity)
               : simdjson::get_active_implementation()->create_dom_parser_implementation(capacity,
                                                                                         1, parser);
    if (error == simdjson::SUCCESS) capacity_ = capacity;
    if (capacity_ == 0) parser.reset();
    return capacity_ != 0;
}

void JsonTokens::shrink(std::size_t bytes_max) {
    if (capacity_ <= bytes_max) return;
    stage_->parser.reset();
    buffer_.reset();
    capacity_ = 0;
}

JsonFault JsonTokens::run(const char* text, std::size_t bytes) {
    if (bytes == 0) return JsonFault::kEmpty;
    if (!grow(bytes)) return JsonFault::kMemory;
    const JsonFault fault = scans_ ? scan_all(text, bytes) : run_library(text, bytes);
    if (fault == JsonFault::kNone) set_sentinel(text, bytes);
    return fault;
}

JsonFault JsonTokens::scan_all(const char* text, std::size_t bytes) {
    scanner_.start(text, bytes);
    positions_ = buffer_.get();
    count_ = static_cast<std::size_t>(scanner_.scan(bytes, positions_) - positions_);
    if (scanner_.ends_in_string()) return JsonFault::kUnclosedString;
    if (scanner_.has_control()) return JsonFault::kControlInString;
    if (count_ == 0) return JsonFault::kEmpty;
    if (scanner_.has_high_bit() && !simdjson::validate_utf8(text, bytes)) return JsonFault::kUtf8;
    return JsonFault::kNone;
}

JsonFault JsonTokens::run_library(const char* text, std::size_t bytes) {
    auto& parser = *stage_->parser;
    const simdjson::error_code error = parser.stage1(reinterpret_cast<const std::uint8_t*>(text),
                                                     bytes, simdjson::stage1_mode::regular);
    positions_ = parser.structural_indexes.get();
    count_ = parser.n_structural_indexes;
    switch (error) {
        case simdjson::SUCCESS: return JsonFault::kNone;
        case simdjson::UTF8_ERROR: return JsonFault::kUtf8;
        case simdjson::UNESCAPED_CHARS: return JsonFault::kControlInString;
        case simdjson::UNCLOSED_STRING: return JsonFault::kUnclosedString;
        case simdjson::EMPTY: return JsonFault::kEmpty;
        default: return JsonFault::kMemory;
    }
}

bool JsonTokens::start_lazily(const char* text, std::size_t bytes) {
    count_ = 0;
    if (!grow(bytes)) return false;
    if (!scans_) return run_library(text, bytes) == JsonFault::kNone;
    scanner_.start(text, bytes);
    positions_ = buffer_.get();
    return true;
}

bool JsonTokens::more() {
    const std::size_t before = count_;
    while (scans_ && count_ == before && !scanner_.is_done())
        count_ =
            static_cast<std::size_t>(scanner_.scan(kPieceBytes, positions_ + count_) - positions_);
    return count_ != before;
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
