// What: reads JSON values along the token positions that simdjson's first stage found (it has
//       checked UTF-8 and that no string holds a control character or stays open): checks the whole
//       grammar in one pass and hands out what is asked for.
// Threads: one owner. Lifetime: borrows text and token positions.
// Limits: kJsonDepthMax (or what start() is told, kJsonDocumentDepthMax at most; skip_value() never
//       goes deeper than kJsonDepthMax), kJsonKeysPerObjectMax.
// Failure: every step returns false and leaves fault() and fault_at().
//
// Hot loop. Unit of work: one token. Budget: about 1.5 ns a token (bench/core_event_parser_bench).
// What keeps it short: a string's end is found from the next token, not by reading the string;
// escapes are looked at only in strings behind the next backslash of the text; the steps are
// inlined into their loops, which keeps the token in a register (measured: 12 % of an event).
// Invariant: token_ points at the next token; behind the last one stand two positions no value, key
// or close can be at.
#pragma once

#include "core/json_chars.h"
#include "core/json_faults.h"
#include "core/json_keys.h"
#include "core/json_number.h"
#include "core/key_hash.h"
#include "core/text_arena.h"

#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace::core {

// Numbers and literals are read in words: so many bytes behind the text must be readable.
inline constexpr std::size_t kWalkerPaddingBytes = 64;

class JsonWalker {
public:
    // Starts on a text and its tokens.
    void start(const char* base, std::size_t bytes, const std::uint32_t* tokens,
               DuplicateKeys duplicates, std::uint32_t depth_max = kJsonDepthMax) {
        base_ = base;
        depth_max_ = depth_max;
        bytes_ = static_cast<std::uint32_t>(bytes);
        token_ = tokens;
        duplicates_ = duplicates;
        escaped_ = nullptr;
        find_backslash(0);
        depth_ = 0;
        keys_.reset();
    }

    // Inside a text that was read before: from this token on, no further than `end`.
    void start_inside(const char* base, std::size_t end, const std::uint32_t* token,
                      std::uint32_t depth_max) {
        base_ = base;
        depth_max_ = depth_max;
        bytes_ = static_cast<std::uint32_t>(end);
        token_ = token;
        duplicates_ = DuplicateKeys::kAllow;
        escaped_ = nullptr;
        find_backslash(*token);
        depth_ = 0;
        keys_.reset();
    }

    const std::uint32_t* token() const { return token_; }
    char peek() const { return base_[*token_]; }
    std::uint32_t position() const { return *token_; }
    const char* base() const { return base_; }
    void advance() { ++token_; }
    // Where the last token that was read stands.
    std::uint32_t last_position() const { return token_[-1]; }

    // Back to a token seen before; nothing may be open that was not open there.
    void rewind(const std::uint32_t* token) {
        token_ = token;
        if (*token < backslash_from_) find_backslash(*token);
    }
    // After a fault: forget what was open.
    void restart(const std::uint32_t* token) {
        rewind(token);
        depth_ = 0;
        keys_.reset();
    }

    // Is it known that no backslash stands between these two?
    bool is_plain(std::uint32_t from, std::size_t to) const {
        return from >= backslash_from_ && to <= backslash_;
    }

    // Before the first token of a text that is still to come.
    void restart_nowhere() {
        token_ = nullptr;
        depth_ = 0;
        keys_.reset();
    }

    JsonFault fault() const { return fault_; }
    std::uint32_t fault_at() const { return fault_at_; }
    bool fail(JsonFault fault, std::uint32_t at) {
        fault_ = fault;
        fault_at_ = at;
        return false;
    }
    bool fail_here(JsonFault fault) { return fail(fault, *token_); }

    // At a '"': the raw text between the quotes.
    [[gnu::always_inline]] bool string(std::string_view& raw) {
        const std::uint32_t open = *token_++;
        std::uint32_t close = *token_ - 1;
        while (close > open && is_json_space(base_[close])) --close;
        if (close <= open || base_[close] != '"') [[unlikely]]
            return fail(JsonFault::kBadString, open);
        raw = {base_ + open + 1, close - open - 1};
        if (close > backslash_) [[unlikely]]
            return escapes(raw);
        return true;
    }
    // Of what string() gave last.
    bool has_escapes(std::string_view raw) const { return raw.data() == escaped_; }
    // The text without its escapes.
    static std::string_view resolve(std::string_view raw, TextArena& arena);

    // At '-' or a digit.
    [[gnu::always_inline]] bool number(std::string_view& text) {
        const char* begin = base_ + *token_;
        const char* end = scan_number(begin);
        if (!end) [[unlikely]]
            return fail_here(JsonFault::kBadNumber);
        text = {begin, static_cast<std::size_t>(end - begin)};
        ++token_;
        return true;
    }
    // At t, f or n.
    bool literal() {
        const char* p = base_ + *token_;
        const std::uint32_t word = load_u32(p);
        bool good = false;
        if (word == word_of("true") || word == word_of("null")) {
            good = ends_scalar(p[4]);
        } else if (word == word_of("fals")) {
            good = p[4] == 'e' && ends_scalar(p[5]);
        }
        if (!good) [[unlikely]]
            return fail_here(JsonFault::kBadLiteral);
        ++token_;
        return true;
    }

    // The frame of an object:
    //   enter_object(); if (object_is_empty()) done;
    //   do { key(); a value; more_members(more); } while (more)
    [[gnu::always_inline]] bool enter_object() {
        if (!enter()) return false;
        keys_.open();
        return true;
    }
    // Empty: consumes the '}' and leaves.
    [[gnu::always_inline]] bool object_is_empty() {
        if (peek() != '}') return false;
        ++token_;
        --depth_;
        (void)keys_.close();
        return true;
    }
    [[gnu::always_inline]] bool key(std::string_view& name, std::uint64_t& hash) {
        if (peek() != '"') [[unlikely]]
            return fail_here(JsonFault::kExpectedKey);
        const std::uint32_t at = *token_;
        if (!string(name)) return false;
        if (has_escapes(name)) [[unlikely]]
            name = resolve(name, key_arena_);
        if (base_[*token_] != ':') [[unlikely]]
            return fail_here(JsonFault::kExpectedColon);
        ++token_;
        hash = hash_key(name);
        const JsonFault fault = keys_.add(name, hash);
        if (fault != JsonFault::kNone) [[unlikely]] {
            if (duplicates_ == DuplicateKeys::kRefuse) return fail(fault, at);
        }
        return true;
    }
    // The same in a text that was read before: nobody looks whether it is a new one.
    [[gnu::always_inline]] bool known_key(std::string_view& name) {
        if (!string(name)) return false;
        if (has_escapes(name)) [[unlikely]]
            name = resolve(name, key_arena_);
        ++token_;  // the ':'
        return true;
    }
    // Behind a member's value: is there another? Leaves the object when not.
    [[gnu::always_inline]] bool more_members(bool& more) {
        const char c = base_[*token_++];
        more = c == ',';
        if (more) return true;
        if (c != '}') [[unlikely]]
            return fail(JsonFault::kExpectedCommaOrEnd, token_[-1]);
        --depth_;
        const JsonFault fault = keys_.close();
        if (fault == JsonFault::kNone) [[likely]]
            return true;
        if (fault == JsonFault::kDuplicateKey && duplicates_ == DuplicateKeys::kAllow) return true;
        return fail(fault, token_[-1]);
    }

    [[gnu::always_inline]] bool enter_array() { return enter(); }
    bool array_is_empty() {
        if (peek() != ']') return false;
        ++token_;
        --depth_;
        return true;
    }
    [[gnu::always_inline]] bool more_elements(bool& more) {
        const char c = base_[*token_++];
        more = c == ',';
        if (more) return true;
        if (c != ']') [[unlikely]]
            return fail(JsonFault::kExpectedCommaOrEnd, token_[-1]);
        --depth_;
        return true;
    }

    // Checks one value of any kind and goes behind it.
    bool skip_value();

    void clear_arena() { key_arena_.clear(); }

private:
    static constexpr std::uint32_t word_of(const char (&text)[5]) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(text[0])) |
               static_cast<std::uint32_t>(static_cast<unsigned char>(text[1])) << 8 |
               static_cast<std::uint32_t>(static_cast<unsigned char>(text[2])) << 16 |
               static_cast<std::uint32_t>(static_cast<unsigned char>(text[3])) << 24;
    }
    bool enter() {
        if (depth_ >= depth_max_) [[unlikely]]
            return fail_here(JsonFault::kTooDeep);
        ++depth_;
        ++token_;
        return true;
    }
    bool skip_scalar(char c);
    // The string ends behind backslash_, so it may hold it.
    bool escapes(std::string_view raw);
    void find_backslash(std::uint32_t from) {
        backslash_from_ = from;
        const void* at = from < bytes_ ? std::memchr(base_ + from, '\\', bytes_ - from) : nullptr;
        backslash_ = at ? static_cast<std::uint32_t>(static_cast<const char*>(at) - base_) : ~0u;
    }

    const char* base_ = nullptr;
    const std::uint32_t* token_ = nullptr;
    std::uint32_t bytes_ = 0;
    // No backslash stands between these two; ~0 when there is none to the end.
    std::uint32_t backslash_from_ = 0;
    std::uint32_t backslash_ = 0;
    const char* escaped_ = nullptr;  // start of the last string that had escapes
    std::uint32_t depth_ = 0;
    std::uint32_t depth_max_ = kJsonDepthMax;
    DuplicateKeys duplicates_ = DuplicateKeys::kRefuse;
    JsonFault fault_ = JsonFault::kNone;
    std::uint32_t fault_at_ = 0;
    JsonKeys keys_;
    TextArena key_arena_;
};

}  // namespace millrace::core
