// Goal: what a stream follows is its front's to say; the header from anybody else means nothing,
// and what is followed decides which scope it takes.
#include "runtime/edge/followed_stream.h"

#include <gtest/gtest.h>

#include <vector>

namespace millrace::runtime {
namespace {

constexpr const char* kToken = "0123456789abcdef0123456789abcdef";

StreamKind followed(const identity::TrustedFront* front, std::vector<io::HeaderField> headers) {
    io::Request request;
    request.headers = headers;
    return followed_stream(request, front);
}

TEST(FollowedStream, IsTheFrontsToSay) {
    const identity::TrustedFront front(kToken, false, "");
    const io::HeaderField token{identity::kFrontTokenHeader, kToken};
    EXPECT_EQ(followed(&front, {token, {"Millrace-Stream", "deadLetters"}}),
              StreamKind::kDeadLetters);
    EXPECT_EQ(followed(&front, {token, {"Millrace-Stream", "executions"}}),
              StreamKind::kExecutions);
    EXPECT_EQ(followed(&front, {token, {"Millrace-Stream", "secrets"}}), StreamKind::kEvents);
    EXPECT_EQ(followed(&front, {token}), StreamKind::kEvents);
}

TEST(FollowedStream, FromAnybodyElseTheHeaderMeansNothing) {
    const identity::TrustedFront front(kToken, false, "");
    for (const char* kind : {"deadLetters", "executions"}) {
        const io::HeaderField header{"Millrace-Stream", kind};
        EXPECT_EQ(followed(nullptr, {header}), StreamKind::kEvents);
        EXPECT_EQ(followed(nullptr, {{identity::kFrontTokenHeader, kToken}, header}),
                  StreamKind::kEvents);
        EXPECT_EQ(followed(&front, {header}), StreamKind::kEvents);
        EXPECT_EQ(followed(&front, {{identity::kFrontTokenHeader, "wrong"}, header}),
                  StreamKind::kEvents);
    }
}

TEST(FollowedStream, TheScopeIsThatOfWhatIsFollowed) {
    EXPECT_EQ(scope_of(StreamKind::kEvents), identity::Scope::kEventsRead);
    EXPECT_EQ(scope_of(StreamKind::kDeadLetters), identity::Scope::kDeadLettersRead);
    EXPECT_EQ(scope_of(StreamKind::kExecutions), identity::Scope::kExecutionsRead);
}

}  // namespace
}  // namespace millrace::runtime
