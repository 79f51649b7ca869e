// Goal: a text comes out of a URL as it went in, whatever its bytes are.
#include "core/percent_encode.h"

#include <gtest/gtest.h>

namespace millrace::core {
namespace {

TEST(PercentEncode, WhatIsUnreservedStaysAndNothingElse) {
    EXPECT_EQ(percent_encoded("azAZ09-._~"), "azAZ09-._~");
    EXPECT_EQ(percent_encoded("a b+c/d?e&f=g%h"), "a%20b%2Bc%2Fd%3Fe%26f%3Dg%25h");
    EXPECT_EQ(percent_encoded("\xc3\xa9\x01\xff"), "%C3%A9%01%FF");
    EXPECT_EQ(percent_encoded(""), "");
}

TEST(PercentEncode, IsPutBehindWhatIsThere) {
    std::string out = "/v2/events/";
    append_percent_encoded(out, "a/b");
    EXPECT_EQ(out, "/v2/events/a%2Fb");
}

}  // namespace
}  // namespace millrace::core
