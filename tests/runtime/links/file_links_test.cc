// Goal: a source reads every line of a file once, over rotations and new beginnings of its own, and
// stops where the file is not the one it was; a sink's lines are whole. Method: real files in a
// folder of the test, a clock that is moved by hand.
#include "core/clock.h"
#include "runtime/links/file_sink.h"
#include "runtime/links/file_source.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace millrace::runtime {
namespace {

class FileLinksTest : public ::testing::Test {
protected:
    void SetUp() override {
        files_ = *FileAccess::make(folder_.path());
        config_.path = folder_.path() + "/app.log";
    }
    PeerDeps deps() { return {&clock_, &rules_, &files_, false}; }
    void append(const std::string& text, const std::string& name = "app.log") {
        std::ofstream(folder_.path() + "/" + name, std::ios::app) << text;
    }
    void rename(const std::string& from, const std::string& to) {
        std::filesystem::rename(folder_.path() + "/" + from, folder_.path() + "/" + to);
    }
    std::string content(const std::string& name) {
        std::ostringstream out;
        out << std::ifstream(folder_.path() + "/" + name).rdbuf();
        return out.str();
    }
    void begin() { source_ = std::make_unique<FileSource>(deps(), config_, position_); }
    // What comes in a few turns, as "a|b|c".
    std::string read() {
        std::string out;
        for (int i = 0; i < 8; ++i) {
            SourceBatch batch;
            (void)source_->turn(batch);
            for (std::size_t j = 0; j < batch.size(); ++j) {
                EXPECT_TRUE(ids_.insert(std::string(batch[j].id)).second) << batch[j].id;
                out.append(out.empty() ? "" : "|").append(batch[j].text);
            }
            if (batch.changed()) position_ = batch.position;
            clock_.advance_us(FileSource::kGraceNs / 1000 + 1);
        }
        return out;
    }
    std::string trouble() { return source_->trouble() ? source_->trouble()->why : ""; }

    store::test::TempFolder folder_;
    core::ManualClock clock_;
    courier::AddressRules rules_ = *courier::AddressRules::make("", "");
    FileAccess files_;
    LinkConfig config_;
    std::string position_;
    std::unique_ptr<FileSource> source_;
    std::set<std::string> ids_;
};

TEST_F(FileLinksTest, ReadsWholeLinesAsTheyCome) {
    begin();
    EXPECT_EQ(read(), "");
    EXPECT_EQ(source_->waits_because(), "the file is not there yet");
    append("one\ntwo\nhal");
    EXPECT_EQ(read(), "one|two");
    EXPECT_EQ(source_->lag(), 3u);
    append("f\n");
    EXPECT_EQ(read(), "half");
    EXPECT_EQ(source_->lag(), 0u);
}

TEST_F(FileLinksTest, GoesOnWhereItWas) {
    append("one\ntwo\n");
    begin();
    EXPECT_EQ(read(), "one|two");
    append("three\n");
    begin();
    EXPECT_EQ(read(), "three");
}

TEST_F(FileLinksTest, ALineThatIsReadAgainHasTheIdThatItHad) {
    append("one\ntwo\n");
    begin();
    EXPECT_EQ(read(), "one|two");
    const auto before = ids_;
    ids_.clear();
    position_.clear();
    begin();
    EXPECT_EQ(read(), "one|two");
    EXPECT_EQ(ids_, before);
}

TEST_F(FileLinksTest, BeginsAtTheEndWhereToldTo) {
    append("old\nha");
    config_.from = "end";
    begin();
    EXPECT_EQ(read(), "");
    EXPECT_NE(position_, "");
    append("lf\nnew\n");
    EXPECT_EQ(read(), "half|new");
}

TEST_F(FileLinksTest, ReadsTheOldFileToItsEndWhenItIsRotated) {
    append("one\n");
    begin();
    EXPECT_EQ(read(), "one");
    rename("app.log", "app.log.1");
    append("two\n", "app.log.1");
    append("three\n");
    EXPECT_EQ(read(), "two|three");
}

TEST_F(FileLinksTest, FindsWhatWasRotatedWhileItWasAway) {
    append("one\n");
    begin();
    EXPECT_EQ(read(), "one");
    source_ = nullptr;
    append("two\n");
    rename("app.log", "app.log.2");
    std::filesystem::last_write_time(
        folder_.path() + "/app.log.2",
        std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
    append("three\n");
    rename("app.log", "app.log.1");
    append("four\n");
    append("not of it\n", "app.log.bak");
    begin();
    EXPECT_EQ(read(), "two|three|four");
    EXPECT_EQ(trouble(), "");
}

TEST_F(FileLinksTest, StopsWhenTheFileWasCut) {
    append("one\ntwo\n");
    begin();
    EXPECT_EQ(read(), "one|two");
    std::filesystem::resize_file(config_.path, 4);
    EXPECT_EQ(read(), "");
    EXPECT_TRUE(source_->trouble()->stops);
    EXPECT_NE(trouble().find("has 4 bytes, and was read to byte 8"), std::string::npos)
        << trouble();
    begin();
    read();
    EXPECT_TRUE(source_->trouble() && source_->trouble()->stops);
}

TEST_F(FileLinksTest, StopsWhenItWasWrittenAnewUnderTheSameInode) {
    append("one\ntwo\n");
    begin();
    EXPECT_EQ(read(), "one|two");
    std::ofstream(config_.path, std::ios::trunc) << "uno\ndos\ntres\n";
    EXPECT_EQ(read(), "");
    EXPECT_NE(trouble().find("was written anew"), std::string::npos) << trouble();
}

TEST_F(FileLinksTest, StopsWhenTheFileThatItReadIsNotToBeFound) {
    append("one\n");
    begin();
    EXPECT_EQ(read(), "one");
    source_ = nullptr;
    append("x\n", "app.log.new");  // another inode, whatever is given out next
    std::filesystem::remove(config_.path);
    rename("app.log.new", "app.log");
    begin();
    EXPECT_EQ(read(), "");
    EXPECT_NE(trouble().find("not to be found"), std::string::npos) << trouble();
}

TEST_F(FileLinksTest, ManyLinesComeInBatches) {
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += std::to_string(i) + "\n";
    append(text);
    begin();
    const std::string all = read();
    EXPECT_EQ(ids_.size(), 20'000u);
    EXPECT_TRUE(all.ends_with("|19998|19999"));
}

TEST_F(FileLinksTest, NothingOutsideOfTheListedFoldersIsOpened) {
    config_.path = "/etc/passwd";
    begin();
    read();
    EXPECT_TRUE(source_->trouble() && source_->trouble()->stops);
    std::filesystem::create_directory_symlink("/etc", folder_.path() + "/etc");
    config_.path = folder_.path() + "/etc/passwd";
    begin();
    read();
    EXPECT_NE(trouble().find("leads to /etc"), std::string::npos) << trouble();
    std::filesystem::create_symlink("/etc/passwd", folder_.path() + "/link");
    config_.path = folder_.path() + "/link";
    begin();
    EXPECT_EQ(read(), "");
    EXPECT_TRUE(files_.check(folder_.path() + "/a/b"));
    EXPECT_FALSE(files_.check(folder_.path() + "/../etc/passwd"));
    EXPECT_FALSE(files_.check(folder_.path() + "x/a"));
    EXPECT_FALSE(FileAccess::make("relative/folder"));
}

TEST_F(FileLinksTest, ASinkAppendsWholeLines) {
    append("torn");
    FileSink sink(deps(), config_);
    ASSERT_TRUE(sink.ready());
    sink.send({1, "e1", "a", "{\"a\":\n1}"});
    sink.send({2, "e2", "a", "{}"});
    std::vector<SinkAnswer> answers;
    EXPECT_EQ(sink.turn(answers), 2u);
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[0].ticket, 1u);
    EXPECT_EQ(answers[0].error, "");
    EXPECT_EQ(content("app.log"), "torn\n{\"a\": 1}\n{}\n");
    rename("app.log", "app.log.1");
    sink.send({3, "e3", "a", "[3]"});
    EXPECT_EQ(sink.turn(answers), 1u);
    EXPECT_EQ(content("app.log"), "[3]\n");
}

TEST_F(FileLinksTest, ATrialOfASinkMakesNothing) {
    PeerDeps probe = deps();
    probe.probes = true;
    EXPECT_TRUE(FileSink(probe, config_).ready());
    EXPECT_FALSE(std::filesystem::exists(config_.path));
    config_.path = folder_.path() + "/no/such.log";
    EXPECT_FALSE(FileSink(probe, config_).ready());
}

TEST_F(FileLinksTest, ADamagedPositionStops) {
    append("one\n");
    position_ = "{\"inode\":1}";
    begin();
    EXPECT_EQ(read(), "");
    EXPECT_TRUE(source_->trouble()->stops);
}

TEST(FilePlace, IsReadAsItWasWritten) {
    FilePlace place;
    place.inode = 12'345;
    place.begin_hash = 0xffff'ffff'ffff'fffe;
    place.offset = 1LL << 40;
    place.tail_hash = 7;
    const auto read = FilePlace::read(place.json());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->json(), place.json());
    EXPECT_EQ(read->begin_hash, place.begin_hash);
    EXPECT_FALSE(FilePlace::read("{}"));
    EXPECT_FALSE(FilePlace::read(R"({"inode":1,"offset":-1,"begin":"1","tail":"1"})"));
    EXPECT_FALSE(FilePlace::read(R"({"inode":1,"offset":1,"begin":"xyz","tail":"1"})"));
}

TEST(RotatedFiles, AreCalledAsTheFileIsWithDigitsBehind) {
    for (const char* name : {"a.log.1", "a.log-20260102", "a.log.2026-01-02"})
        EXPECT_TRUE(is_rotated_name(name, "a.log")) << name;
    for (const char* name : {"a.log", "a.log.gz", "a.log.1.gz", "a.log.", "b.log.1", "a.log1"})
        EXPECT_FALSE(is_rotated_name(name, "a.log")) << name;
}

}  // namespace
}  // namespace millrace::runtime
