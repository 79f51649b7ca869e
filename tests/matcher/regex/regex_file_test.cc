// Goal: an expression that was compiled once is read back and finds the same, also from another
// process; a file that is damaged, cut or of another make is no harm.
#include "matcher/regex/regex_file.h"

#include "matcher/index/eval_scratch.h"
#include "matcher/regex/regex.h"
#include "matcher/regex/regex_set.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <stdlib.h>

namespace millrace::matcher {
namespace {

class RegexFileTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "millrace-regex-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
        path_ = folder_ + "/regex";
    }
    void TearDown() override {
        use_regex_file(nullptr);
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    static bool found(const char* regex, std::string_view text) {
        auto compiled = Regex::compile(regex);
        EXPECT_TRUE(compiled) << regex;
        return compiled && compiled->found_in(text);
    }
    std::size_t records() {
        const auto file = RegexFile::open(path_);
        return file ? file->size() : 0;
    }
    void use() { use_regex_file(RegexFile::open(path_)); }

    std::string folder_;
    std::string path_;
    const std::atomic<bool> go_on{false};
};

TEST_F(RegexFileTest, ReadsBackWhatWasCompiled) {
    use();
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(found("^.{1,10}z1.{0,3}q$", "aaz1bq"));
        EXPECT_FALSE(found("^.{1,10}z1.{0,3}q$", "z1bq"));
        EXPECT_TRUE(found("[0-9]{3}", "x123"));
        use();
    }
    use_regex_file(nullptr);
    EXPECT_EQ(records(), 2u);
    const auto file = RegexFile::open(path_);
    EXPECT_EQ(file->find("no such key"), nullptr);
}

TEST_F(RegexFileTest, TogetherAndAloneAreTwoThings) {
    use();
    const std::vector<std::string> texts = {"^a+$", "b{2}"};
    for (int round = 0; round < 2; ++round) {
        const auto database = RegexDatabase::compile(texts);
        ASSERT_TRUE(database);
        EvalScratch scratch;
        std::string seen;
        const auto note = [](unsigned id, unsigned long long, unsigned long long, unsigned,
                             void* out) {
            *static_cast<std::string*>(out) += std::to_string(id);
            return 0;
        };
        EXPECT_TRUE(RegexSet::scan(*database, "bb", scratch, note, &seen));
        EXPECT_EQ(seen, "1");
        RegexSet::free_scratch(scratch);
        EXPECT_FALSE(found("^a+$", "bb"));
        use();
    }
    use_regex_file(nullptr);
    EXPECT_EQ(records(), 2u);
}

TEST_F(RegexFileTest, ARefusedExpressionIsRefusedAgain) {
    use();
    EXPECT_FALSE(Regex::compile("a("));
    EXPECT_FALSE(Regex::compile("a("));
    use_regex_file(nullptr);
    EXPECT_EQ(records(), 0u);
}

TEST_F(RegexFileTest, DamageIsNoHarm) {
    use();
    EXPECT_TRUE(found("x[0-9]y", "x5y"));
    EXPECT_TRUE(found("z+", "zz"));
    use_regex_file(nullptr);
    const auto size = std::filesystem::file_size(path_);
    for (std::uintmax_t at = 0; at < size; at += 13) {
        {
            std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
            file.seekg(static_cast<std::streamoff>(at));
            const char byte = static_cast<char>(file.get());
            file.seekp(static_cast<std::streamoff>(at));
            file.put(static_cast<char>(byte ^ 0x55));
        }
        use();
        EXPECT_TRUE(found("x[0-9]y", "x5y"));
        EXPECT_FALSE(found("x[0-9]y", "xy"));
        EXPECT_TRUE(found("z+", "zz"));
        use_regex_file(nullptr);
    }
    for (const std::uintmax_t bytes : {size - 1, size / 2, std::uintmax_t{3}, std::uintmax_t{0}}) {
        std::filesystem::resize_file(path_, bytes);
        use();
        EXPECT_TRUE(found("z+", "zz"));
        EXPECT_FALSE(found("z+", "y"));
        use_regex_file(nullptr);
    }
    EXPECT_EQ(RegexFile::open(folder_ + "/none/regex"), nullptr);
}

TEST_F(RegexFileTest, WhatIsPutOffIsThereOnceItIsCompiledElsewhere) {
    use();
    const char* const regex = "^.{1,40}z1.{0,30}q$";
    DeferredRegexes deferred;
    {
        const DeferredRegexes::Scope scope(deferred);
        RegexSet set;
        EXPECT_FALSE(set.add(regex));
        EXPECT_TRUE(set.add("abc")) << "our own automaton: nothing to put off";
    }
    EXPECT_TRUE(deferred.any());
    std::thread([&] { deferred.compile(go_on); }).join();
    EXPECT_FALSE(deferred.any());
    {
        const DeferredRegexes::Scope scope(deferred);
        RegexSet set;
        EXPECT_TRUE(set.add(regex));
        EXPECT_FALSE(deferred.any());
    }
    EXPECT_EQ(records(), 1u);
}

TEST_F(RegexFileTest, NothingIsCompiledOrAddedForAServerThatEnds) {
    use();
    const std::atomic<bool> enough{true};
    DeferredRegexes deferred;
    {
        const DeferredRegexes::Scope scope(deferred);
        RegexSet set;
        EXPECT_FALSE(set.add("^.{1,40}z1.{0,30}q$"));
    }
    deferred.compile(enough);
    EXPECT_TRUE(deferred.any()) << "as before";
    close_regex_file();
    EXPECT_TRUE(found("^.{1,40}z1.{0,30}q$", "aaz1bq")) << "compiled, and not kept";
    EXPECT_EQ(records(), 0u);
}

TEST_F(RegexFileTest, WhatCannotBeKeptIsNotPutOffTwice) {
    use();
    const char* const regex = "(.{0,3000}a){1,50}.{0,9}z";  // refused, if at all, when compiled
    DeferredRegexes deferred;
    for (int round = 0; round < 2; ++round) {
        const DeferredRegexes::Scope scope(deferred);
        RegexSet set;
        (void)set.add(regex);
        if (round == 0 && deferred.any()) deferred.compile(go_on);
    }
    EXPECT_FALSE(deferred.any());
}

TEST_F(RegexFileTest, WithoutAFileNothingIsPutOff) {
    use_regex_file(nullptr);
    DeferredRegexes deferred;
    const DeferredRegexes::Scope scope(deferred);
    RegexSet set;
    EXPECT_TRUE(set.add("^.{1,10}z1.{0,3}q$"));
    EXPECT_FALSE(deferred.any());
}

}  // namespace
}  // namespace millrace::matcher
