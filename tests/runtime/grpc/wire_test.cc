// Goal: fields of protobuf come out as they went in, and what is malformed is told from the end.
// Method: round trips and a table of bytes.
#include "runtime/grpc/wire.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace millrace::runtime::grpc {

using namespace std::string_literals;

TEST(Wire, FieldsComeOutAsTheyWentIn) {
    std::string out;
    append_number_field(out, 1, 0);  // not written
    append_number_field(out, 2, 127);
    append_number_field(out, 2048, std::numeric_limits<std::uint64_t>::max());
    append_text_field(out, 3, "");  // not written
    append_text_field(out, 4, "text");
    append_bytes_field(out, 5, "");
    WireReader wire(out);
    ASSERT_TRUE(wire.next());
    EXPECT_TRUE(wire.is(2, WireType::kVarint));
    EXPECT_EQ(wire.number(), 127u);
    ASSERT_TRUE(wire.next());
    EXPECT_EQ(wire.field(), 2048u);
    EXPECT_EQ(wire.number(), std::numeric_limits<std::uint64_t>::max());
    ASSERT_TRUE(wire.next());
    EXPECT_TRUE(wire.is(4, WireType::kBytes));
    EXPECT_EQ(wire.bytes(), "text");
    ASSERT_TRUE(wire.next());
    EXPECT_TRUE(wire.is(5, WireType::kBytes));
    EXPECT_EQ(wire.bytes(), "");
    EXPECT_FALSE(wire.next());
    EXPECT_FALSE(wire.failed());
}

TEST(Wire, FieldsOfOtherKindsAreSteppedOver) {
    const std::string bytes =
        "\x09"
        "12345678"
        "\x15"
        "1234"
        "\x18\x05"s;
    WireReader wire(bytes);
    ASSERT_TRUE(wire.next());
    EXPECT_TRUE(wire.is(1, WireType::kFixed64));
    ASSERT_TRUE(wire.next());
    EXPECT_TRUE(wire.is(2, WireType::kFixed32));
    ASSERT_TRUE(wire.next());
    EXPECT_EQ(wire.number(), 5u);
    EXPECT_FALSE(wire.next());
    EXPECT_FALSE(wire.failed());
}

TEST(Wire, WhatIsMalformedFails) {
    const std::string cases[] = {
        "\x0a"s,  // no length
        "\x0a\x05"
        "abc",                                            // longer than what is there
        "\x08"s,                                          // no number
        "\x08\xff"s,                                      // half a number
        "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s,  // more than 64 bits
        "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,
        "\x00\x01"s,  // field 0
        "\x0b\x0c"s,  // a group
        "\x0e\x01"s,  // no such kind
        "\x09"
        "1234567",                                        // half of 8 bytes
        "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s,  // a length beyond all
    };
    for (const std::string& bytes : cases) {
        WireReader wire(bytes);
        while (wire.next()) {
        }
        EXPECT_TRUE(wire.failed()) << ::testing::PrintToString(bytes);
    }
}

}  // namespace millrace::runtime::grpc
