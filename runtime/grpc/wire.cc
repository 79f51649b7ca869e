#include "runtime/grpc/wire.h"

namespace millrace::runtime::grpc {

namespace {

constexpr unsigned kTypeBits = 3;
constexpr unsigned kVarintShiftMax = 63;

std::uint64_t tag_of(std::uint32_t field, WireType type) {
    return (std::uint64_t{field} << kTypeBits) | static_cast<unsigned>(type);
}

}  // namespace

bool WireReader::varint(std::uint64_t& out) {
    out = 0;
    for (unsigned shift = 0; shift <= kVarintShiftMax; shift += 7) {
        if (at_ == text_.size()) return false;
        const auto byte = static_cast<unsigned char>(text_[at_++]);
        out |= std::uint64_t{byte & 0x7fu} << shift;
        if (byte < 0x80) return shift < kVarintShiftMax || byte <= 1;
    }
    return false;
}

bool WireReader::skip(std::size_t bytes) {
    if (text_.size() - at_ < bytes) return fail();
    at_ += bytes;
    return true;
}

bool WireReader::next() {
    constexpr std::uint64_t kFieldMax = (1u << 29) - 1;
    if (failed_ || at_ == text_.size()) return false;
    std::uint64_t tag = 0;
    if (!varint(tag)) return fail();
    const std::uint64_t field = tag >> kTypeBits;
    if (field == 0 || field > kFieldMax) return fail();
    field_ = static_cast<std::uint32_t>(field);
    number_ = 0;
    bytes_ = {};
    switch (tag & ((1u << kTypeBits) - 1)) {
        case static_cast<unsigned>(WireType::kVarint):
            type_ = WireType::kVarint;
            return varint(number_) || fail();
        case static_cast<unsigned>(WireType::kFixed64): type_ = WireType::kFixed64; return skip(8);
        case static_cast<unsigned>(WireType::kFixed32): type_ = WireType::kFixed32; return skip(4);
        case static_cast<unsigned>(WireType::kBytes): {
            type_ = WireType::kBytes;
            std::uint64_t size = 0;
            if (!varint(size) || size > text_.size() - at_) return fail();
            bytes_ = text_.substr(at_, static_cast<std::size_t>(size));
            return skip(bytes_.size());
        }
        default: return fail();
    }
}

void append_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
    out.push_back(static_cast<char>(value));
}

void append_number_field(std::string& out, std::uint32_t field, std::uint64_t value) {
    if (value == 0) return;
    append_varint(out, tag_of(field, WireType::kVarint));
    append_varint(out, value);
}

void append_text_field(std::string& out, std::uint32_t field, std::string_view value) {
    if (!value.empty()) append_bytes_field(out, field, value);
}

void append_bytes_field(std::string& out, std::uint32_t field, std::string_view value) {
    append_varint(out, tag_of(field, WireType::kBytes));
    append_varint(out, value.size());
    out.append(value);
}

}  // namespace millrace::runtime::grpc
