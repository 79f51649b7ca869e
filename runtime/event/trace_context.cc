#include "runtime/event/trace_context.h"

#include "core/crypto/digest.h"
#include "core/hex.h"

#include <algorithm>
#include <span>
#include <vector>

namespace millrace::runtime {
namespace {

constexpr std::size_t kTraceKeyBytesMax = 256;
constexpr std::size_t kTraceTenantBytesMax = 241;
constexpr std::size_t kTraceSystemBytesMax = 14;
constexpr std::size_t kTraceValueBytesMax = 256;
constexpr std::size_t kTraceLongMember = 128;
constexpr std::uint8_t kTraceFlagsKnown = 3;  // sampled, random

// Two digits of lower case; -1 for anything else.
int hex_byte(std::string_view text, std::size_t at) {
    const auto digit = [](char c) { return c >= 'A' && c <= 'F' ? -1 : core::hex_digit(c); };
    const int high = digit(text[at]), low = digit(text[at + 1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// False: no digits, or nothing but zeros.
template <std::size_t kBytes>
bool read_trace_id(std::string_view text, std::size_t at, std::array<std::uint8_t, kBytes>& out) {
    unsigned any = 0;
    for (std::size_t i = 0; i < kBytes; ++i) {
        const int byte = hex_byte(text, at + 2 * i);
        if (byte < 0) return false;
        out[i] = static_cast<std::uint8_t>(byte);
        any |= out[i];
    }
    return any != 0;
}

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_key_part(std::string_view text, std::size_t bytes_max) {
    return !text.empty() && text.size() <= bytes_max && is_lower_or_digit(text[0]) &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return is_lower_or_digit(c) || c == '_' || c == '-' || c == '*' || c == '/';
           });
}

bool is_state_key(std::string_view key) {
    const std::size_t at = key.find('@');
    if (at == std::string_view::npos) return is_key_part(key, kTraceKeyBytesMax);
    return is_key_part(key.substr(0, at), kTraceTenantBytesMax) &&
           is_key_part(key.substr(at + 1), kTraceSystemBytesMax);
}

bool is_state_value(std::string_view value) {
    return !value.empty() && value.size() <= kTraceValueBytesMax && value.back() != ' ' &&
           std::all_of(value.begin(), value.end(),
                       [](char c) { return c >= 0x20 && c <= 0x7e && c != ',' && c != '='; });
}

std::string_view without_blanks(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

using StateMembers = std::vector<std::string_view>;

// False: the list is none. Of a key that stands there twice the first counts: it is the newer one.
bool read_state_members(std::string_view text, StateMembers& out) {
    const auto key_of = [](std::string_view member) { return member.substr(0, member.find('=')); };
    while (!text.empty()) {
        const std::size_t comma = text.find(',');
        const std::string_view member = without_blanks(text.substr(0, comma));
        text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
        if (member.empty()) continue;
        const std::string_view key = key_of(member);
        if (key.size() == member.size() || !is_state_key(key) ||
            !is_state_value(member.substr(key.size() + 1)))
            return false;
        if (std::none_of(out.begin(), out.end(),
                         [&](std::string_view one) { return key_of(one) == key; }))
            out.push_back(member);
        if (out.size() > kTraceStateMembersMax) return false;
    }
    return true;
}

void cut_state_members(StateMembers& members) {
    const auto bytes = [&] {
        std::size_t sum = 0;
        for (const std::string_view member : members) sum += member.size() + 1;
        return sum == 0 ? 0 : sum - 1;
    };
    for (std::size_t i = members.size(); i-- > 0 && bytes() > kTraceStateBytesMax;) {
        if (members[i].size() > kTraceLongMember)
            members.erase(members.begin() + static_cast<std::ptrdiff_t>(i));
    }
    while (bytes() > kTraceStateBytesMax) members.pop_back();
}

bool same_but_case(std::string_view name, std::string_view lower) {
    return name.size() == lower.size() &&
           std::equal(name.begin(), name.end(), lower.begin(), [](char a, char b) {
               return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
           });
}

template <std::size_t kBytes>
std::array<std::uint8_t, kBytes> digest_of(std::string_view text) {
    std::array<std::uint8_t, kBytes> out{};
    const core::crypto::Digest digest = core::crypto::sha256(text);
    std::copy_n(digest.begin(), kBytes, out.begin());
    return out;
}

// By the trace's id alone: every attempt of a trace, and every node that sees it, says the same.
bool is_in_sample(const TraceId& trace, double sample) {
    std::uint64_t low = 0;
    for (std::size_t i = 9; i < trace.size(); ++i) low = low << 8 | trace[i];
    return static_cast<double>(low) < sample * 0x1.0p56;
}

}  // namespace

std::optional<TraceContext> read_traceparent(std::string_view text) {
    if (text.size() < kTraceparentBytes) return std::nullopt;
    const int version = hex_byte(text, 0);
    if (version < 0 || version == 0xff) return std::nullopt;
    if (text.size() > kTraceparentBytes && (version == 0 || text[kTraceparentBytes] != '-'))
        return std::nullopt;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
    TraceContext out;
    const int flags = hex_byte(text, 53);
    if (!read_trace_id(text, 3, out.trace) || !read_trace_id(text, 36, out.span) || flags < 0)
        return std::nullopt;
    const std::uint8_t known = version == 0 ? kTraceFlagsKnown : kTraceSampled;
    out.flags = static_cast<std::uint8_t>(flags & known);
    return out;
}

void append_traceparent(std::string& out, const TraceContext& context) {
    out += "00-";
    core::append_hex(out, std::span<const std::uint8_t>(context.trace));
    out += '-';
    core::append_hex(out, std::span<const std::uint8_t>(context.span));
    out += '-';
    core::append_hex(out, context.flags, 2);
}

std::string traceparent_text(const TraceContext& context) {
    std::string out;
    out.reserve(kTraceparentBytes);
    append_traceparent(out, context);
    return out;
}

std::string clean_tracestate(std::string_view text) {
    StateMembers members;
    if (!read_state_members(text, members)) return {};
    cut_state_members(members);
    std::string out;
    for (const std::string_view member : members) {
        if (!out.empty()) out += ',';
        out += member;
    }
    return out;
}

bool TraceHeaders::take(std::string_view name, std::string_view value) {
    if (same_but_case(name, "traceparent")) {
        ++parents_;
        parent_ = value;
        return true;
    }
    if (!same_but_case(name, "tracestate")) return false;
    if (!state_.empty()) state_ += ',';
    state_ += value;
    return true;
}

std::string TraceHeaders::text() const {
    const auto context = parents_ == 1 ? read_traceparent(parent_) : std::nullopt;
    if (!context) return {};
    std::string out = traceparent_text(*context);
    if (const std::string state = clean_tracestate(state_); !state.empty())
        out.append(" ").append(state);
    return out;
}

std::string_view trace_of_fills(std::string_view fills) {
    const std::size_t at = fills.find(' ');
    return at == std::string_view::npos ? std::string_view() : fills.substr(at + 1);
}

TraceTexts trace_texts_of(std::string_view fills) { return split_trace(trace_of_fills(fills)); }

std::string checked_trace(std::string_view text) {
    const TraceTexts came = split_trace(text);
    TraceHeaders headers;
    if (!came.parent.empty()) (void)headers.take("traceparent", came.parent);
    if (!came.state.empty()) (void)headers.take("tracestate", came.state);
    return headers.text();
}

AttemptTrace trace_of_attempt(const TracedAttempt& attempt, double sample) {
    AttemptTrace out;
    const TraceTexts came = trace_texts_of(attempt.fills);
    if (const auto context = read_traceparent(came.parent)) {
        out.own = *context;
        out.own.state = came.state;
        out.parent = context->span;
    } else {
        out.own.trace = digest_of<16>(attempt.chain);
        out.own.flags = is_in_sample(out.own.trace, sample) ? kTraceSampled : 0;
    }
    std::string name(attempt.delivery_id);
    name.append("/").append(std::to_string(attempt.attempt));
    if (!attempt.replay.empty()) name.append("/").append(attempt.replay);
    out.own.span = digest_of<8>(name);
    return out;
}

}  // namespace millrace::runtime
