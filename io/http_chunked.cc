#include "io/http_chunked.h"

#include "core/hex.h"

#include <algorithm>
#include <cstring>

namespace millrace::io {

namespace {

bool is_name_char(char c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
    return c != '\0' && std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
}

bool is_text_char(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\t';
}

}  // namespace

void ChunkedDecoder::reset(std::size_t body_bytes_max, std::size_t overhead_bytes_max) {
    *this = ChunkedDecoder{};
    body_bytes_max_ = body_bytes_max;
    overhead_bytes_max_ = overhead_bytes_max;
}

ChunkedDecoder::Outcome ChunkedDecoder::take(std::string_view& input, std::string_view& data) {
    while (!input.empty()) {
        if (state_ == State::kData) {
            const std::size_t bytes =
                static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_, input.size()));
            data = input.substr(0, bytes);
            input.remove_prefix(bytes);
            chunk_left_ -= bytes;
            if (chunk_left_ == 0) state_ = State::kDataCr;
            return Outcome::kData;
        }
        const Outcome outcome = step(input.front());
        if (outcome == Outcome::kMalformed || outcome == Outcome::kTooLarge) return outcome;
        input.remove_prefix(1);
        if (outcome == Outcome::kDone) return outcome;
    }
    return Outcome::kNeedMore;
}

ChunkedDecoder::Outcome ChunkedDecoder::step(char c) {
    const auto expect = [&](char wanted, State next) {
        if (c != wanted) return Outcome::kMalformed;
        state_ = next;
        return Outcome::kNeedMore;
    };
    switch (state_) {
        case State::kSizeFirst:
        case State::kSize: return size_digit(c);
        case State::kExtensionStart:
        case State::kExtensionName:
        case State::kExtensionNameEnd:
        case State::kExtensionValueStart:
        case State::kExtensionToken:
        case State::kExtensionQuoted:
        case State::kExtensionEscape:
        case State::kExtensionQuoteEnd:
        case State::kExtensionSpace: return extension(c);
        case State::kSizeLf: return c == '\n' ? size_end() : Outcome::kMalformed;
        case State::kDataCr: return expect('\r', State::kDataLf);
        case State::kDataLf: return expect('\n', State::kSizeFirst);
        case State::kEndLf:
            if (c != '\n') return Outcome::kMalformed;
            state_ = State::kDone;
            return Outcome::kDone;
        default: return trailer(c);
    }
}

ChunkedDecoder::Outcome ChunkedDecoder::size_digit(char c) {
    const int digit = core::hex_digit(c);
    if (digit >= 0) {
        if (state_ == State::kSizeFirst) {
            chunk_left_ = 0;
            size_digits_ = 0;
            state_ = State::kSize;
        }
        // 16 digits fill 64 bits; leading zeros are no reason for more.
        if (++size_digits_ > 16) return Outcome::kMalformed;
        chunk_left_ = chunk_left_ * 16 + static_cast<unsigned>(digit);
        return Outcome::kNeedMore;
    }
    if (state_ == State::kSizeFirst) return Outcome::kMalformed;
    if (c == '\r') {
        state_ = State::kSizeLf;
        return Outcome::kNeedMore;
    }
    // White space before the ';' is a known way to smuggle: refused.
    if (c != ';') return Outcome::kMalformed;
    state_ = State::kExtensionStart;
    return ++overhead_bytes_ > overhead_bytes_max_ ? Outcome::kMalformed : Outcome::kNeedMore;
}

ChunkedDecoder::Outcome ChunkedDecoder::size_end() {
    if (chunk_left_ == 0) {
        state_ = State::kTrailerStart;
        return Outcome::kNeedMore;
    }
    if (chunk_left_ > body_bytes_max_ - body_bytes_) return Outcome::kTooLarge;
    body_bytes_ += chunk_left_;
    state_ = State::kData;
    return Outcome::kNeedMore;
}

// *( ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ). White space is taken where the
// grammar has it, but not before the first ';' (size_digit) and not before the line's end.
ChunkedDecoder::Outcome ChunkedDecoder::extension(char c) {
    if (++overhead_bytes_ > overhead_bytes_max_) return Outcome::kMalformed;
    const auto go = [this](State next) {
        state_ = next;
        return Outcome::kNeedMore;
    };
    const bool space = c == ' ' || c == '\t';
    switch (state_) {
        case State::kExtensionStart:
            if (space) return Outcome::kNeedMore;
            return is_name_char(c) ? go(State::kExtensionName) : Outcome::kMalformed;
        case State::kExtensionName:
            if (is_name_char(c)) return Outcome::kNeedMore;
            if (c == '\r') return go(State::kSizeLf);
            if (space) return go(State::kExtensionNameEnd);
            [[fallthrough]];
        case State::kExtensionNameEnd:
            if (space) return Outcome::kNeedMore;
            if (c == '=') return go(State::kExtensionValueStart);
            return c == ';' ? go(State::kExtensionStart) : Outcome::kMalformed;
        default: return extension_value(c);
    }
}

ChunkedDecoder::Outcome ChunkedDecoder::extension_value(char c) {
    const auto go = [this](State next) {
        state_ = next;
        return Outcome::kNeedMore;
    };
    const bool space = c == ' ' || c == '\t';
    switch (state_) {
        case State::kExtensionValueStart:
            if (space) return Outcome::kNeedMore;
            if (c == '"') return go(State::kExtensionQuoted);
            return is_name_char(c) ? go(State::kExtensionToken) : Outcome::kMalformed;
        case State::kExtensionQuoted:
            if (c == '"') return go(State::kExtensionQuoteEnd);
            if (c == '\\') return go(State::kExtensionEscape);
            return is_text_char(c) ? Outcome::kNeedMore : Outcome::kMalformed;
        case State::kExtensionEscape:
            return is_text_char(c) ? go(State::kExtensionQuoted) : Outcome::kMalformed;
        case State::kExtensionToken:
            if (is_name_char(c)) return Outcome::kNeedMore;
            [[fallthrough]];
        case State::kExtensionQuoteEnd:
            if (c == '\r') return go(State::kSizeLf);
            [[fallthrough]];
        default:
            if (space) return go(State::kExtensionSpace);
            return c == ';' ? go(State::kExtensionStart) : Outcome::kMalformed;
    }
}

ChunkedDecoder::Outcome ChunkedDecoder::trailer(char c) {
    if (++overhead_bytes_ > overhead_bytes_max_) return Outcome::kMalformed;
    switch (state_) {
        case State::kTrailerStart:
            if (c == '\r') {
                state_ = State::kEndLf;
                --overhead_bytes_;
                return Outcome::kNeedMore;
            }
            if (!is_name_char(c)) return Outcome::kMalformed;
            state_ = State::kTrailerName;
            return Outcome::kNeedMore;
        case State::kTrailerName:
            if (c == ':') {
                state_ = State::kTrailerValue;
                return Outcome::kNeedMore;
            }
            return is_name_char(c) ? Outcome::kNeedMore : Outcome::kMalformed;
        case State::kTrailerValue:
            if (c == '\r') {
                state_ = State::kTrailerLf;
                return Outcome::kNeedMore;
            }
            return is_text_char(c) ? Outcome::kNeedMore : Outcome::kMalformed;
        case State::kTrailerLf:
            if (c != '\n') return Outcome::kMalformed;
            state_ = State::kTrailerStart;
            return Outcome::kNeedMore;
        default: return Outcome::kMalformed;
    }
}

}  // namespace millrace::io
