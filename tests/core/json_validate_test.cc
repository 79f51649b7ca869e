// Goal: exactly RFC 8259, whatever the bytes.
// Method: cases of tests/data/json (accept.txt, refuse.txt: one text a line, \xNN for raw bytes),
//       and
//         random mutations compared with simdjson's DOM.
#include "core/json_validate.h"

#include "core/limits.h"
#include "core/random.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <fstream>
#include <string>
#include <vector>

namespace millrace::core {
namespace {

std::vector<std::string> cases(const std::string& file) {
    std::ifstream in(std::string(MILLRACE_SOURCE_DIR) + "/tests/data/json/" + file);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '%') continue;  // % begins a remark
        std::string text;
        for (std::size_t i = 0; i < line.size(); ++i) {
            if (line.compare(i, 2, "\\x") == 0) {
                text += static_cast<char>(std::stoi(line.substr(i + 2, 2), nullptr, 16));
                i += 3;
            } else {
                text += line[i];
            }
        }
        out.push_back(text);
    }
    EXPECT_GT(out.size(), 20u);
    return out;
}

TEST(JsonValidate, AcceptsWhatIsJson) {
    for (const std::string& text : cases("accept.txt")) {
        const Status status = json_validate(text);
        EXPECT_TRUE(status) << text << ": " << status.error().message;
    }
}

TEST(JsonValidate, RefusesWhatIsNot) {
    for (const std::string& text : cases("refuse.txt")) EXPECT_FALSE(json_validate(text)) << text;
}

TEST(JsonValidate, RefusesAKeyTwiceUnlessAllowed) {
    EXPECT_FALSE(json_validate(R"({"a":1,"a":2})"));
    EXPECT_TRUE(json_validate(R"({"a":1,"a":2})", DuplicateKeys::kAllow));
    EXPECT_TRUE(json_validate(R"([{"a":1},{"a":2,"b":{"a":1}}])"));
}

TEST(JsonValidate, TellsTheBytePosition) {
    const Status status = json_validate(R"({"a":[1,2,}])");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().position, 10);
    EXPECT_FALSE(json_validate(R"({"a":)"));
    EXPECT_NE(json_validate(R"({"a":)").error().message.find("ends inside"), std::string::npos);
}

// The first stage only says that something is wrong: the place is looked for.
TEST(JsonValidate, TellsThePositionOfWhatTheFirstStageRefuses) {
    EXPECT_EQ(json_validate(R"({"a":"b\"c)").error().position, 5);
    EXPECT_EQ(json_validate("{\"a\":\"b\nc\"}").error().position, 7);
    for (const char* bad : {"\x80", "\xc1\x81", "\xe0\x9f\x80", "\xed\xa0\x80", "\xf0\x8f\x80\x80",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
        const Status status =
            json_validate("[\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" + std::string(bad) + "\"]");
        ASSERT_FALSE(status);
        EXPECT_EQ(status.error().position, 11);
        EXPECT_NE(status.error().message.find("UTF-8"), std::string::npos);
    }
}

bool dom_accepts(simdjson::dom::parser& parser, const std::string& text) {
    simdjson::dom::element element;
    return parser.parse(text).get(element) == simdjson::SUCCESS;
}

// simdjson refuses numbers beyond doubles and 64-bit integers; the grammar does not.
bool has_extreme_number(const std::string& text) {
    std::size_t digits = 0;
    for (const char c : text) {
        digits = c >= '0' && c <= '9' ? digits + 1 : 0;
        if (digits >= 3) return true;
    }
    return text.find_first_of("eE") != std::string::npos && digits > 0;
}

TEST(JsonValidate, AgreesWithSimdjsonOnMutatedTexts) {
    const std::vector<std::string> seeds = cases("accept.txt");
    Random random(7);
    simdjson::dom::parser parser(1 << 20);
    ASSERT_EQ(parser.allocate(1 << 20, kJsonDepthMax + 1), simdjson::SUCCESS);
    const std::string alphabet = "{}[]:,\"\\ \n\t0123456789.eE+-truefalsn\x01\x80\xc3\xa9u/bD8";
    int refused = 0;
    for (int round = 0; round < 60'000; ++round) {
        std::string text = seeds[random.below(seeds.size())];
        for (std::uint64_t i = 1 + random.below(3); i > 0; --i) {
            const std::size_t at = random.below(text.size() + 1);
            const char c = alphabet[random.below(alphabet.size())];
            switch (random.below(4)) {
                case 0: text.insert(at, 1, c); break;
                case 1:
                    if (at < text.size()) text[at] = c;
                    break;
                case 2:
                    if (at < text.size()) text.erase(at, 1 + random.below(3));
                    break;
                default: text = text.substr(0, at) + seeds[random.below(seeds.size())]; break;
            }
        }
        const bool ours = json_validate(text, DuplicateKeys::kAllow).has_value();
        const bool theirs = dom_accepts(parser, text);
        if (ours && !theirs && has_extreme_number(text)) continue;
        ASSERT_EQ(ours, theirs) << text;
        refused += !ours;
    }
    EXPECT_GT(refused, 10'000);
}

}  // namespace
}  // namespace millrace::core
