// Goal: a copy fills itself from another one over HTTP: whatever the other side does meanwhile is
// told, and what has come is whole or nothing.
// Method: source and taker on two loops by one thread, over a Unix socket, with the folder of a
// real follower behind the source; where the other side must misbehave, a server of the test's.
#include "runtime/cluster/snapshot_source.h"
#include "runtime/cluster/snapshot_taker.h"
#include "store/replica/replica_store.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

namespace millrace::runtime::cluster {
namespace {

namespace fs = std::filesystem;

constexpr const char* kToken = "0123456789abcdef0123456789abcdef";

TEST(SnapshotManifest, ReadsAsItWasWritten) {
    SnapshotManifest manifest;
    manifest.id = "00ff-1";
    manifest.snapshot.origin = "abc-def";
    manifest.snapshot.position = {12, -3, 4, 5, ~std::uint64_t{0}};
    manifest.snapshot.files = {{"rocks/000001.sst", 7}, {"FORMAT", 31}};
    const auto read = read_snapshot_manifest(manifest.json());
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->id, manifest.id);
    EXPECT_EQ(read->snapshot.position, manifest.snapshot.position);
    EXPECT_EQ(read->snapshot.files, manifest.snapshot.files);
    for (
        const char* wrong :
        {R"({})", "[]", R"({"id":"../x"})",
         R"({"id":"a","sequence":1,"createdUs":1,"epoch":1,"unit":1,"hash":"1","origin":"o","files":[["rocks/../a",1]]})",
         R"({"id":"a","sequence":1,"createdUs":1,"epoch":1,"unit":1,"hash":"1","origin":"o","files":[]})",
         R"({"id":"a","sequence":1,"createdUs":1,"epoch":1,"unit":1,"hash":"","origin":"o","files":[["FORMAT",1]]})",
         R"({"id":"a","sequence":1,"createdUs":1,"epoch":1,"unit":1,"hash":"1","origin":"o","files":[["FORMAT",18446744073709551615],["FORMAT",2]]})"})
        EXPECT_FALSE(read_snapshot_manifest(wrong)) << wrong;
}

TEST(SnapshotPath, ReadsAsItWasWritten) {
    for (const SnapshotPath& path : {SnapshotPath{7, ""}, SnapshotPath{255, "0a-1"}}) {
        const auto read = read_snapshot_path(path.text());
        ASSERT_TRUE(read) << path.text();
        EXPECT_EQ(read->partition, path.partition);
        EXPECT_EQ(read->id, path.id);
    }
    for (const char* other :
         {"/v2/cluster/partitions/7", "/v2/cluster/partitions/x/snapshot",
          "/v2/cluster/partitions/7/snapshots", "/v2/cluster", "/v2/cluster/partitions/7/snapshot/",
          "/v2/cluster/partitions/7/move", "/v2/cluster/partitions/7/snapshot/../x"})
        EXPECT_FALSE(read_snapshot_path(other)) << other;
}

class SnapshotTransfer : public testing::Test {
protected:
    SnapshotTransfer() {
        from_ = std::move(*store::ReplicaStore::open(options(place_.path() + "/from")));
        EXPECT_TRUE(from_->note(position_));
    }
    store::Database::Options options(const std::string& path) {
        store::Database::Options out;
        out.path = path;
        out.clock = &clock_;
        out.hash_seed = 7;
        out.reserve_bytes = 0;
        out.ballast_bytes = 0;
        return out;
    }
    std::string dir() const { return place_.path() + "/to"; }
    void begin_source() {
        SnapshotSource::Options with;
        with.address = address_;
        with.folder = place_.path() + "/from.give";
        with.token = kToken;
        with.partition = 7;
        auto made = SnapshotSource::create(
            std::move(with), clock_, [this](const std::string& folder, const store::CopyEnd& asks) {
                ++snapshots_;
                return from_->snapshot(folder, asks);
            });
        ASSERT_TRUE(made) << made.error().message;
        source_ = std::move(*made);
    }
    void begin_taker(const std::string& token = kToken, store::CopyEnd asks = {}) {
        SnapshotTaker::Options with;
        with.from = address_;
        with.token = token;
        with.partition = 7;
        with.asks = asks;
        with.store = options(dir());
        auto made = SnapshotTaker::create(
            std::move(with), clock_,
            {[this] { return stream_first_; }, [this](std::uint64_t at) { held_ = at; }});
        ASSERT_TRUE(made) << made.error().message;
        taker_ = std::move(*made);
    }
    bool run_until(const std::function<bool()>& so) {
        for (int i = 0; i < 20'000; ++i) {
            if (so()) return true;
            if (source_) source_->do_work();
            if (taker_) taker_->do_work();
            if (other_) other_->poll(0);
            // Time goes on where nothing else does.
            clock_.advance_us(1'000);
        }
        return false;
    }
    bool ended() const { return taker_->state() != SnapshotTaker::State::kRunning; }

    core::ManualClock clock_;
    store::test::TempFolder place_;
    const std::string address_ = "unix:" + place_.path() + "/from.copy";
    const store::ReplicaPosition position_{41, 5, 2, 30, 77};
    std::unique_ptr<store::ReplicaStore> from_;
    std::unique_ptr<io::Reactor> other_;
    std::unique_ptr<SnapshotSource> source_;
    std::unique_ptr<SnapshotTaker> taker_;
    std::uint64_t stream_first_ = 10;
    std::uint64_t held_ = 0;
    int snapshots_ = 0;
};

TEST_F(SnapshotTransfer, TheFolderThatHasComeIsPutInPlaceByTheNextStart) {
    begin_source();
    begin_taker();
    ASSERT_TRUE(run_until([&] { return ended(); }));
    ASSERT_EQ(taker_->state(), SnapshotTaker::State::kFilled) << taker_->words();
    EXPECT_FALSE(fs::exists(place_.path() + "/from.give")) << "it is done with";
    ASSERT_TRUE(*store::FillFolder::settle(dir()));
    const auto copy = store::ReplicaStore::open(options(dir()));
    ASSERT_TRUE(copy) << copy.error().message;
    EXPECT_EQ((*copy)->position(), position_);
}

TEST_F(SnapshotTransfer, WhereTheRingHasGoneOverItAnotherOneFollows) {
    begin_source();
    stream_first_ = 43;
    begin_taker();
    ASSERT_TRUE(run_until([&] { return snapshots_ == 3; }));
    EXPECT_FALSE(ended()) << taker_->words();
    EXPECT_FALSE(fs::exists(dir() + ".fill/FILLED"));
    EXPECT_EQ(held_, 41u) << "the owner is asked to wait";
    stream_first_ = 42;
    ASSERT_TRUE(run_until([&] { return ended(); }));
    EXPECT_EQ(taker_->state(), SnapshotTaker::State::kFilled) << taker_->words();
}

TEST_F(SnapshotTransfer, ASourceThatStartsAgainInTheMidstCostsABeginning) {
    begin_source();
    begin_taker();
    ASSERT_TRUE(run_until([&] { return snapshots_ == 1; }));
    source_.reset();
    ASSERT_TRUE(run_until([&] { return taker_->words().find("waits") != std::string::npos; }));
    begin_source();
    ASSERT_TRUE(run_until([&] { return ended(); }));
    EXPECT_EQ(taker_->state(), SnapshotTaker::State::kFilled) << taker_->words();
    EXPECT_EQ(snapshots_, 2);
}

TEST_F(SnapshotTransfer, ASourceThatIsNotThereIsGivenUp) {
    begin_taker();
    ASSERT_TRUE(run_until([&] { return ended(); }));
    EXPECT_EQ(taker_->state(), SnapshotTaker::State::kFailed);
    EXPECT_NE(taker_->words().find("could not be filled from"), std::string::npos);
}

TEST_F(SnapshotTransfer, WhoHasNotTheTokenGetsNothing) {
    begin_source();
    begin_taker("another");
    ASSERT_TRUE(run_until([&] { return ended(); }));
    EXPECT_EQ(taker_->state(), SnapshotTaker::State::kFailed);
    EXPECT_EQ(snapshots_, 0);
}

TEST_F(SnapshotTransfer, ACopyWhoseLogIsAnotherOneIsNotFilled) {
    begin_source();
    begin_taker(kToken, {12, 34});
    ASSERT_TRUE(run_until([&] { return ended(); }));
    EXPECT_EQ(taker_->state(), SnapshotTaker::State::kDiffers) << taker_->words();
    EXPECT_NE(taker_->words().find("no beginning"), std::string::npos) << taker_->words();
    EXPECT_FALSE(fs::exists(dir() + ".fill"));
}

TEST_F(SnapshotTransfer, OneThatNobodyAsksForAnyMoreIsDropped) {
    begin_source();
    begin_taker();
    ASSERT_TRUE(run_until([&] { return snapshots_ == 1; }));
    taker_.reset();
    EXPECT_TRUE(fs::exists(place_.path() + "/from.give"));
    begin_taker();
    taker_->do_work();
    ASSERT_TRUE(run_until([&] {
        return taker_->words().find("another copy is being filled") != std::string::npos;
    })) << taker_->words();
    ASSERT_TRUE(run_until([&] { return ended(); }));
    EXPECT_EQ(taker_->state(), SnapshotTaker::State::kFailed)
        << "it comes again when its node says so";
    taker_.reset();
    ASSERT_TRUE(run_until([&] { return !fs::exists(place_.path() + "/from.give"); }));
}

// Answers as a test says.
class Misbehaving final : public io::HttpHandler {
public:
    io::HttpServer* server = nullptr;
    std::function<void(io::Request&)> answer;
    void on_request(io::Request& request) override { answer(request); }
};

TEST_F(SnapshotTransfer, APieceThatChangedOnItsWayIsNotTaken) {
    Misbehaving handler;
    other_ = std::move(*io::Reactor::create({.backend = io::BackendChoice::kEpoll}, clock_));
    io::HttpServer server(*other_, handler, {});
    ASSERT_TRUE(server.listen(*io::Address::parse(address_), io::ListenRole::kFirst));
    handler.answer = [&](io::Request& request) {
        if (request.method == io::Method::kPost) {
            SnapshotManifest manifest;
            manifest.id = "a";
            manifest.snapshot.files = {{"FORMAT", 3}};
            server.respond(request.token, {}, manifest.json());
            return;
        }
        const std::vector<io::HeaderField> headers = {{kPieceCrcHeader, "1"}};
        server.respond(request.token, {.headers = headers}, "abc");
    };
    begin_taker();
    ASSERT_TRUE(run_until([&] { return ended(); }));
    EXPECT_EQ(taker_->state(), SnapshotTaker::State::kFailed);
    EXPECT_NE(taker_->words().find("checksum"), std::string::npos) << taker_->words();
    // And one that is whole, of a folder that is none.
    taker_.reset();
    stream_first_ = 0;
    handler.answer = [&, before = handler.answer](io::Request& request) {
        if (request.method == io::Method::kPost) return before(request);
        const std::vector<io::HeaderField> headers = {{kPieceCrcHeader, "910901175"}};
        server.respond(request.token, {.headers = headers}, "abc");
    };
    begin_taker();
    ASSERT_TRUE(run_until([&] { return ended(); }));
    EXPECT_EQ(taker_->state(), SnapshotTaker::State::kFailed) << taker_->words();
    EXPECT_FALSE(fs::exists(dir() + ".fill/FILLED"));
    taker_.reset();
}

}  // namespace
}  // namespace millrace::runtime::cluster
