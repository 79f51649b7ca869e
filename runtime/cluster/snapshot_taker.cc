#include "runtime/cluster/snapshot_taker.h"

#include "runtime/identity/trusted_front.h"
#include "store/commit/crc32c.h"
#include "store/replica/replica_store.h"

#include <charconv>
#include <utility>

namespace millrace::runtime::cluster {
namespace {

io::ReactorOptions small_reactor() {
    io::ReactorOptions out;
    out.backend = io::BackendChoice::kEpoll;
    out.receive_buffers = 32;
    out.streams_max = 16;
    out.spare_bytes_max = 2 * kPieceBytes;
    return out;
}

std::string mib(std::uint64_t bytes) { return std::to_string((bytes + (1u << 19)) >> 20); }

// What an error's body says, or the body.
std::string words_of(std::string_view body) {
    constexpr std::string_view kMessage = R"("message":")";
    const std::size_t at = body.find(kMessage);
    if (at == std::string_view::npos) return std::string(body.substr(0, 200));
    body.remove_prefix(at + kMessage.size());
    return std::string(body.substr(0, std::min<std::size_t>(body.find('"'), 300)));
}

}  // namespace

core::Result<std::unique_ptr<SnapshotTaker>> SnapshotTaker::create(Options options,
                                                                   const core::Clock& clock,
                                                                   Stream stream) {
    auto address = io::Address::parse(options.from);
    if (!address) return core::fail(std::move(address.error()));
    auto reactor = io::Reactor::create(small_reactor(), clock);
    if (!reactor) return core::fail(std::move(reactor.error()));
    std::unique_ptr<SnapshotTaker> out(
        new SnapshotTaker(std::move(options), clock, std::move(stream)));
    out->address_ = std::move(*address);
    out->reactor_ = std::move(*reactor);
    io::HttpClientLimits limits;
    limits.connections_max = limits.idle_connections_max = 4;
    out->client_ = std::make_unique<io::HttpClient>(*out->reactor_, limits);
    return out;
}

SnapshotTaker::SnapshotTaker(Options options, const core::Clock& clock, Stream stream)
    : options_(std::move(options)),
      clock_(clock),
      stream_(std::move(stream)),
      folder_(options_.store.path),
      words_("fills itself from " + options_.from) {}

SnapshotTaker::~SnapshotTaker() {
    if (client_ && under_way()) client_->cancel(*this);
}

std::string SnapshotTaker::words() const {
    const std::lock_guard lock(mutex_);
    return words_;
}

void SnapshotTaker::tell(std::string words) {
    const std::lock_guard lock(mutex_);
    words_ = std::move(words);
}

void SnapshotTaker::end(State state, std::string words) {
    tell(std::move(words));
    state_.store(state, std::memory_order_release);
}

// ---- one request after the other

void SnapshotTaker::ask(Asks what, io::Method method, const std::string& target,
                        std::int64_t within_ns) {
    std::string head(io::method_text(method));
    head.append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
    head.append(identity::kFrontTokenHeader).append(": ").append(options_.token).append("\r\n");
    if (method == io::Method::kPost) head.append("Content-Length: 0\r\n");
    head.append("\r\n");
    asks_ = what;
    asked_ = true;
    over_ = false;
    status_ = 0;
    body_.clear();
    crc_.clear();
    failure_.clear();
    until_ns_ = clock_.monotonic_ns() + within_ns;
    if (client_->start(*this, address_, head, {})) return;
    over_ = true;
    failure_ = "no connection is to be had";
}

void SnapshotTaker::answer_head(const io::AnswerHead& head) {
    status_ = head.status;
    crc_ = head.header(kPieceCrcHeader);
}

void SnapshotTaker::answer_bytes(std::string_view bytes) {
    constexpr std::size_t kManifestBytesMax = 16u << 20;
    if (body_.size() + bytes.size() <= kManifestBytesMax) body_.append(bytes);
}

void SnapshotTaker::failed(Failure /*how*/, std::string_view why) {
    over_ = true;
    failure_ = why;
}

void SnapshotTaker::ask_next() {
    const SnapshotPath path{options_.partition, manifest_.id};
    if (manifest_.id.empty()) {
        return ask(Asks::kSnapshot, io::Method::kPost,
                   path.text() + "?end=" + std::to_string(options_.asks.offset) +
                       "&hash=" + std::to_string(options_.asks.hash),
                   kMakeNs);
    }
    store::SnapshotFile file;
    std::uint64_t from = 0;
    if (!folder_.wants(file, from)) {
        sequence_ = manifest_.snapshot.position.sequence;
        manifest_ = {};
        return ask(Asks::kEnd, io::Method::kDelete, path.text(), kPieceNs);
    }
    ask(Asks::kPiece, io::Method::kGet,
        path.text() + "?file=" + file.name + "&from=" + std::to_string(from), kPieceNs);
}

void SnapshotTaker::try_again(const std::string& why) {
    if (++tries_ >= kTriesMax)
        return end(State::kFailed, "could not be filled from " + options_.from + ": " + why);
    again_ns_ = clock_.monotonic_ns() + kAgainNs;
    tell("fills itself from " + options_.from + ", and waits: " + why);
}

std::size_t SnapshotTaker::do_work() {
    std::size_t done = reactor_->poll(0);
    if (state() != State::kRunning) return done;
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (asked_ && !over_ && now_ns >= until_ns_) {
        client_->cancel(*this);
        over_ = true;
        failure_ = "no answer in time";
    }
    if (asked_ && over_) {
        asked_ = false;
        take_answer();
        ++done;
    }
    if (state() == State::kRunning && !asked_ && now_ns >= again_ns_) {
        ask_next();
        ++done;
    }
    return done;
}

void SnapshotTaker::take_answer() {
    if (asks_ == Asks::kEnd) return take_end();
    if (!failure_.empty()) return try_again(failure_);
    if (status_ == 200) return asks_ == Asks::kSnapshot ? take_manifest() : take_piece();
    if (status_ == 409 && asks_ == Asks::kSnapshot) return end(State::kDiffers, words_of(body_));
    if (asks_ == Asks::kPiece && status_ == 404) manifest_ = {};  // its process is another one
    try_again(words_of(body_));
}

void SnapshotTaker::take_manifest() {
    auto read = read_snapshot_manifest(body_);
    if (!read) return try_again(read.error().message);
    manifest_ = std::move(*read);
    // The first brings all, for which nobody is to wait.
    if (++round_ > 1) stream_.hold(manifest_.snapshot.position.sequence);
    if (auto begun = folder_.begin(manifest_.snapshot, options_.store.reserve_bytes); !begun)
        return end(State::kFailed, "could not be filled: " + begun.error().message);
}

void SnapshotTaker::take_piece() {
    if (crc_ != std::to_string(store::crc32c(body_)))
        return try_again("a piece came with another checksum");
    if (body_.empty()) return try_again("a piece came empty");
    if (auto put = folder_.put(body_); !put)
        return end(State::kFailed, "could not be filled: " + put.error().message);
    tries_ = 0;
    tell("fills itself from " + options_.from + ": " + mib(folder_.bytes()) + " of " +
         mib(folder_.bytes_all()) + " MiB");
}

// ---- all has come

// Whatever the other side says to that: it drops what nobody asks for.
void SnapshotTaker::take_end() {
    // The tail of the stream has to follow on it. Else another one, of which less is new.
    if (sequence_ + 1 < stream_.first()) return;
    stream_.hold(sequence_);
    prove();
}

// Whatever is wrong with it is seen while the old folder still stands.
void SnapshotTaker::prove() {
    tell("has come from " + options_.from + " whole, and is looked at");
    auto done = folder_.finish();
    if (done) {
        store::Database::Options options = options_.store;
        options.path = folder_.path();
        auto opened = store::ReplicaStore::open(options);
        done = opened ? (*opened)->close() : core::Status(core::fail(std::move(opened.error())));
    }
    if (done) done = folder_.approve();
    if (!done) return end(State::kFailed, "could not be filled: " + done.error().message);
    end(State::kFilled, "has come from " + options_.from + " whole, in " + std::to_string(round_) +
                            (round_ == 1 ? " round: " : " rounds: ") + mib(folder_.bytes_all()) +
                            " MiB");
}

}  // namespace millrace::runtime::cluster
