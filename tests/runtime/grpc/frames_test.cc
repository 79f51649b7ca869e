// Goal: messages come out of a stream's data however that is cut; lengths and flags are checked.
// Method: every cut of a stream of messages.
#include "runtime/grpc/frames.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::grpc {
namespace {

using namespace std::string_literals;

std::vector<std::string> read(std::string_view data, std::size_t step, std::size_t most = 1000) {
    FrameReader frames(most);
    std::vector<std::string> out;
    for (std::size_t at = 0; at < data.size(); at += step) {
        const auto taken =
            frames.take(data.substr(at, step), [&](bool compressed, std::string_view message) {
                out.push_back((compressed ? "z:" : "") + std::string(message));
                return core::Status{};
            });
        if (!taken) {
            out.push_back(std::string(core::error_code_text(taken.error().code)));
            break;
        }
    }
    return out;
}

TEST(Frames, MessagesComeOutHoweverTheyAreCut) {
    std::string data;
    append_frame(data, "one");
    append_frame(data, "");
    append_frame(data, std::string(300, 'x'));
    data += "\1\0\0\0\1z"s;
    const std::vector<std::string> all = {"one", "", std::string(300, 'x'), "z:z"};
    for (std::size_t step = 1; step <= data.size(); ++step) EXPECT_EQ(read(data, step), all);
}

TEST(Frames, AMessageThatIsTooLongIsRefusedByItsLength) {
    EXPECT_EQ(read("\0\0\0\3\xe9"s, 1), std::vector<std::string>{"PAYLOAD_TOO_LARGE"});
    EXPECT_EQ(read("\0\xff\xff\xff\xff"s, 5), std::vector<std::string>{"PAYLOAD_TOO_LARGE"});
    EXPECT_TRUE(read("\0\0\0\3\xe8"s, 5).empty());
}

TEST(Frames, AFlagThatIsNoneIsRefused) {
    EXPECT_EQ(read("\2\0\0\0\0"s, 5), std::vector<std::string>{"VALIDATION_ERROR"});
}

TEST(Frames, WhatIsKeptIsTheBeginningOfAMessage) {
    FrameReader frames(1000);
    const auto none = [](bool, std::string_view) { return core::Status{}; };
    ASSERT_TRUE(frames.take("\0\0\0\0\4ab"s, none));
    EXPECT_EQ(frames.kept_bytes(), 7u);
    ASSERT_TRUE(frames.take("cd\0"s, none));
    EXPECT_EQ(frames.kept_bytes(), 1u);
}

TEST(Frames, NothingComesBehindAMessageThatIsRefused) {
    std::string data;
    append_frame(data, "a");
    append_frame(data, "b");
    FrameReader frames(1000);
    int seen = 0;
    const auto taken = frames.take(data, [&](bool, std::string_view) -> core::Status {
        ++seen;
        return core::fail(core::ErrorCode::kForbidden, "no");
    });
    EXPECT_EQ(taken.error().code, core::ErrorCode::kForbidden);
    EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace millrace::runtime::grpc
