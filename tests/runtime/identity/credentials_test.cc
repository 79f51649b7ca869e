// Goal: one key, in one of its places, once; everything else is as bad as none.
// Method: requests with each combination.
#include "runtime/identity/credentials.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace::runtime::identity {
namespace {

struct Asked {
    Shown shown;
    std::string text;
};

Asked ask(std::vector<io::HeaderField> headers, std::string_view query = "",
          bool query_counts = false) {
    io::Request request;
    request.headers = headers;
    request.query = query;
    std::string scratch;
    const Credential found = find_credential(request, query_counts, scratch);
    return {found.shown, std::string(found.text)};
}

TEST(Credentials, AreInOneOfTwoHeaders) {
    EXPECT_EQ(ask({}).shown, Shown::kNothing);
    EXPECT_EQ(ask({{"authorization", "bearer K"}}).text, "K");
    EXPECT_EQ(ask({{"Authorization", "Bearer  K"}}).text, "K");
    EXPECT_EQ(ask({{"x-api-key", "K"}}).text, "K");
}

TEST(Credentials, OfAnotherFormAreBad) {
    for (const auto* value : {"Basic K", "Bearer", "Bearer ", "K", ""})
        EXPECT_EQ(ask({{"Authorization", value}}).shown, Shown::kBad) << value;
    EXPECT_EQ(ask({{"X-API-Key", ""}}).shown, Shown::kBad);
}

TEST(Credentials, ShownTwiceAreBadAlsoWhenTheyAreTheSame) {
    EXPECT_EQ(ask({{"Authorization", "Bearer K"}, {"X-API-Key", "K"}}).shown, Shown::kBad);
    EXPECT_EQ(ask({{"X-API-Key", "K"}, {"X-API-Key", "K"}}).shown, Shown::kBad);
    EXPECT_EQ(ask({{"Authorization", "Bearer K"}, {"Authorization", "Bearer K"}}).shown,
              Shown::kBad);
    EXPECT_EQ(ask({{"X-API-Key", "K"}}, "apiKey=K", true).shown, Shown::kBad);
    EXPECT_EQ(ask({}, "apiKey=K&apiKey=K", true).shown, Shown::kBad);
}

TEST(Credentials, StandInTheQueryWhereThatIsAPlaceForThem) {
    EXPECT_EQ(ask({}, "from=1&apiKey=K", true).text, "K");
    EXPECT_EQ(ask({}, "api%4Bey=%4B", true).text, "K");
    EXPECT_EQ(ask({}, "api_key=K", true).text, "K");
    EXPECT_EQ(ask({}, "apiKey=K", false).shown, Shown::kBad);
    EXPECT_EQ(ask({{"X-API-Key", "K"}}, "apiKey=K", false).shown, Shown::kBad);
    EXPECT_EQ(ask({{"X-API-Key", "K"}}, "pattern=api", false).text, "K");
}

}  // namespace
}  // namespace millrace::runtime::identity
