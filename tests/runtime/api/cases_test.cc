// Goal: bodies, answers and errors of the REST resources, as text. Method: tests/data/api/*.case
// hold calls in order, each with the status and the pieces that its answer must (or, with "!", must
// not) hold.
//     POST /v2/scripts
//     {"name":"x","source":"return 1"}
//     => 201
//     "version":1
#include "tests/runtime/api/api_fixture.h"

#include <filesystem>
#include <fstream>
#include <map>

namespace millrace::runtime::api::test {
namespace {

const std::map<std::string, io::Method> kMethods = {
    {"GET", io::Method::kGet},       {"POST", io::Method::kPost},
    {"PUT", io::Method::kPut},       {"PATCH", io::Method::kPatch},
    {"DELETE", io::Method::kDelete}, {"OPTIONS", io::Method::kOptions}};

struct CaseFiles : ApiTest, testing::WithParamInterface<std::filesystem::path> {};

TEST_P(CaseFiles, AnswersAsWritten) {
    std::ifstream file(GetParam());
    std::string line, body;
    ApiResponse answer;
    io::Method method{};
    std::string target;
    enum class Part { kBetween, kBody, kAnswer } part = Part::kBetween;
    for (int number = 1; std::getline(file, line); ++number) {
        const std::string place = GetParam().filename().string() + ":" + std::to_string(number);
        if (line.empty() || line[0] == '#') {
            if (line.empty()) part = Part::kBetween;
            continue;
        }
        if (part == Part::kBetween) {
            const std::size_t space = line.find(' ');
            ASSERT_TRUE(kMethods.contains(line.substr(0, space))) << place;
            method = kMethods.at(line.substr(0, space));
            target = line.substr(space + 1);
            body.clear();
            part = Part::kBody;
        } else if (part == Part::kBody && line.substr(0, 3) == "=> ") {
            answer = call(method, target, body);
            EXPECT_EQ(answer.status, std::stoi(line.substr(3))) << place << "\n" << answer.body;
            part = Part::kAnswer;
        } else if (part == Part::kBody) {
            body += line;
        } else if (line[0] == '!') {
            EXPECT_EQ(answer.body.find(line.substr(1)), std::string::npos) << place << "\n"
                                                                           << answer.body;
        } else {
            EXPECT_NE(answer.body.find(line), std::string::npos) << place << "\n" << answer.body;
        }
    }
}

std::vector<std::filesystem::path> case_files() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(MILLRACE_SOURCE_DIR "/tests/data/api")) {
        if (entry.path().extension() == ".case") files.push_back(entry.path());
    }
    return files;
}

INSTANTIATE_TEST_SUITE_P(Api, CaseFiles, testing::ValuesIn(case_files()),
                         [](const auto& test) { return test.param.stem().string(); });

}  // namespace
}  // namespace millrace::runtime::api::test
