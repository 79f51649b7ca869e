// What: gives other copies of the partition what the log does not reach back to: on a Unix socket
//       beside the folder, to which the node's front passes what other nodes ask
//       (snapshot_manifest.h). One snapshot at a time, of files that stand still; pieces are read
//       as they are asked for, so that whoever is slow or falls in the midst costs no memory.
// Threads: do_work() and wait() its own. `make` is called by it, and may take its time.
// Lifetime: borrows the clock; `make` outlives it.
// Limits: one snapshot; dropped when nobody has asked for kIdleNs, or when the disk, on which it
//         keeps files that the store has left, falls below its reserve; kPieceBytes an answer.
// Failure: answers (see snapshot_manifest.h).
#pragma once

#include "core/agent.h"
#include "core/clock.h"
#include "core/result.h"
#include "io/http_server.h"
#include "io/reactor.h"
#include "runtime/cluster/snapshot_manifest.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::runtime::cluster {

class SnapshotSource final : public core::Agent, public io::HttpHandler {
public:
    static constexpr std::int64_t kIdleNs = 20'000'000'000;
    static constexpr std::int64_t kLookNs = 1'000'000'000;

    struct Options {
        std::string address;  // "unix:/path"
        std::string folder;   // of the snapshot
        std::string token;    // of the cluster; empty: whoever reaches the socket may ask
        std::uint32_t partition = 0;
        std::uint64_t reserve_bytes = 0;
    };
    using Make = std::function<core::Result<store::Snapshot>(const std::string& folder,
                                                             const store::CopyEnd& asks)>;
    static core::Result<std::unique_ptr<SnapshotSource>> create(Options options,
                                                                const core::Clock& clock,
                                                                Make make);
    ~SnapshotSource() override;

    std::string_view name() const override { return "snapshots"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override { reactor_->poll(timeout_us); }
    void wake() override { reactor_->wake(); }
    void on_request(io::Request& request) override;

private:
    struct Given {
        SnapshotManifest manifest;
        std::int64_t asked_ns = 0;  // the last time that somebody did
    };

    SnapshotSource(Options options, const core::Clock& clock, Make make);
    void make(const io::Request& request);
    void give(const io::Request& request);
    void drop();
    void refuse(const io::Request& request, core::ErrorCode code, std::string words);

    const Options options_;
    const core::Clock& clock_;
    const Make make_;
    std::unique_ptr<io::Reactor> reactor_;
    std::unique_ptr<io::HttpServer> server_;
    std::optional<Given> given_;
    std::int64_t looked_ns_ = 0;
    std::string piece_;
};

}  // namespace millrace::runtime::cluster
