// What: a sink that appends texts to a file, a line each: written together, synced together, and
//       only then answered.
// Threads: the links'; a sync holds up the other links. Lifetime: borrows PeerDeps' parts.
// Limits: kSinkTurnTexts a turn. Failure: a write or sync that fails fails all of its texts; what a
//       crash has left of a line becomes a line of its own.
#pragma once

#include "runtime/links/file_access.h"
#include "runtime/links/link_peer.h"

#include <string>
#include <vector>

namespace millrace::runtime {

class FileSink final : public LinkSink {
public:
    FileSink(const PeerDeps& deps, const LinkConfig& config);

    bool ready() const override { return static_cast<bool>(fd_) && !trouble(); }
    void send(SinkText&& text) override;
    std::size_t turn(std::vector<SinkAnswer>& answers) override;
    std::size_t pending() const override { return tickets_.size(); }

private:
    void open();
    bool write_all(std::string& why);

    const PeerDeps deps_;
    const std::string path_;
    OwnedFd fd_;
    std::string lines_;
    std::vector<std::uint64_t> tickets_;
};

}  // namespace millrace::runtime
