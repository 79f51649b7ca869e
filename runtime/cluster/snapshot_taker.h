// What: fills the folder of a copy that the log does not reach back to: asks another copy for a
//       snapshot, takes it piece by piece into a folder beside its own (store/replica/fill_folder),
//       opens it there to see that it is good, and leaves it to the next start to put it in place.
//       Where the ring has gone over the snapshot meanwhile, another one follows, of which only
//       what is new has to come; then, and when it opens what has come, it asks the owner to wait.
// Threads: do_work() and wait() its own; state() and words() any.
// Lifetime: borrows the clock, and what the functions of Stream do.
// Limits: one piece under way, kPieceBytes; kTriesMax failures in a row.
// Failure: state() and words(); what has come stays for the next one.
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "io/http_client.h"
#include "io/reactor.h"
#include "runtime/cluster/snapshot_manifest.h"
#include "store/database.h"
#include "store/replica/fill_folder.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace millrace::runtime::cluster {

class SnapshotTaker final : public core::Agent, private io::HttpExchange {
public:
    static constexpr unsigned kTriesMax = 20;
    static constexpr std::int64_t kAgainNs = 500'000'000;
    static constexpr std::int64_t kMakeNs = 120'000'000'000;  // for a snapshot to be made
    static constexpr std::int64_t kPieceNs = 15'000'000'000;

    // kFilled: the next start has it. kDiffers: the other copy says that this one's log is no
    // beginning of its own; nothing was taken.
    enum class State : std::uint8_t { kRunning, kFilled, kDiffers, kFailed };

    struct Options {
        std::string from;  // a node's private listener, or "unix:/path"
        std::string token;
        std::uint32_t partition = 0;
        store::CopyEnd asks;
        store::Database::Options store;  // of the folder that is to be replaced
    };
    struct Stream {
        std::function<std::uint64_t()> first;  // message that it still has
        // What stands behind it should stay, if only the owner waits a moment; 0: it need not.
        std::function<void(std::uint64_t sequence)> hold;
    };
    static core::Result<std::unique_ptr<SnapshotTaker>> create(Options options,
                                                               const core::Clock& clock,
                                                               Stream stream);
    ~SnapshotTaker() override;

    std::string_view name() const override { return "filling"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override { reactor_->poll(timeout_us); }
    void wake() override { reactor_->wake(); }

    State state() const { return state_.load(std::memory_order_acquire); }
    std::string words() const;

private:
    enum class Asks : std::uint8_t { kSnapshot, kPiece, kEnd };

    SnapshotTaker(Options options, const core::Clock& clock, Stream stream);
    void ask(Asks what, io::Method method, const std::string& target, std::int64_t within_ns);
    void ask_next();
    void take_answer();
    void take_manifest();
    void take_piece();
    void take_end();
    void prove();
    void try_again(const std::string& why);
    void end(State state, std::string words);
    void tell(std::string words);

    // ---- HttpExchange
    void answer_head(const io::AnswerHead& head) override;
    void answer_bytes(std::string_view bytes) override;
    void answer_end() override { over_ = true; }
    void failed(Failure how, std::string_view why) override;

    const Options options_;
    const core::Clock& clock_;
    const Stream stream_;
    io::Address address_;
    std::unique_ptr<io::Reactor> reactor_;
    std::unique_ptr<io::HttpClient> client_;
    store::FillFolder folder_;

    Asks asks_ = Asks::kSnapshot;
    bool asked_ = false;
    bool over_ = false;  // the answer is whole, or will never be: `failure_`
    int status_ = 0;
    std::string body_, crc_, failure_;
    std::int64_t until_ns_ = 0;
    std::int64_t again_ns_ = 0;
    unsigned tries_ = 0;
    unsigned round_ = 0;
    SnapshotManifest manifest_;   // without an id: there is none
    std::uint64_t sequence_ = 0;  // of the snapshot that has come

    std::atomic<State> state_{State::kRunning};
    mutable std::mutex mutex_;
    std::string words_;
};

}  // namespace millrace::runtime::cluster
