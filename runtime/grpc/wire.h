// What: the wire format of protobuf, as far as our messages go: fields out, fields in, in order.
//       The messages are few and do not change their numbers: each is read and written by a
//       function (messages.h, reflection.h) instead of generated classes.
// Threads: values. Lifetime: a reader borrows the text; what it gives are views.
// Limits: none. Groups, which proto3 does not have, are malformed.
// Failure: next() is false at the end and at what is malformed; failed() tells them apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::grpc {

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

class WireReader {
public:
    explicit WireReader(std::string_view text) : text_(text) {}

    bool next();
    bool failed() const { return failed_; }
    std::uint32_t field() const { return field_; }
    bool is(std::uint32_t field, WireType type) const { return field_ == field && type_ == type; }
    // Of the field that next() has read. A wrong kind gives 0 or nothing.
    std::uint64_t number() const { return number_; }
    std::string_view bytes() const { return bytes_; }

private:
    bool varint(std::uint64_t& out);
    bool skip(std::size_t bytes);
    bool fail() {
        failed_ = true;
        return false;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::uint32_t field_ = 0;
    WireType type_ = WireType::kVarint;
    std::uint64_t number_ = 0;
    std::string_view bytes_;
    bool failed_ = false;
};

void append_varint(std::string& out, std::uint64_t value);
// proto3: a zero or an empty text is not written.
void append_number_field(std::string& out, std::uint32_t field, std::uint64_t value);
void append_text_field(std::string& out, std::uint32_t field, std::string_view value);
// Written in any case: a message, or one of several values.
void append_bytes_field(std::string& out, std::uint32_t field, std::string_view value);

}  // namespace millrace::runtime::grpc
