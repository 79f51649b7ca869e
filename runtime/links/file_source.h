// What: a source that reads the lines of a file as they are appended, over its rotation: the old
//       file is read to its end first, the new one from its beginning.
// Threads: the links'. Lifetime: borrows PeerDeps' parts.
// Limits: kPieceBytes at once; of a line kPoisonBytesKept are kept; kGraceNs after a rotation the
//         old file counts as ended.
// Failure: a file that was cut, written anew or is not to be found any more stops it; one that is
//          not there yet is waited for.
#pragma once

#include "runtime/links/file_access.h"
#include "runtime/links/file_place.h"
#include "runtime/links/line_cutter.h"
#include "runtime/links/link_peer.h"
#include "runtime/links/rotated_files.h"

#include <string>

namespace millrace::runtime {

class FileSource final : public LinkSource {
public:
    static constexpr std::size_t kPieceBytes = 256u << 10;
    static constexpr std::int64_t kGraceNs = 1'000'000'000;

    FileSource(const PeerDeps& deps, const LinkConfig& config, std::string_view position);

    bool ready() const override { return static_cast<bool>(fd_); }
    std::string_view waits_because() const override {
        return fd_ ? std::string_view() : "the file is not there yet";
    }
    std::size_t turn(SourceBatch& batch) override;
    std::optional<std::uint64_t> lag() const override;
    std::string_view lag_unit() const override { return "bytes"; }

private:
    void open_first();
    void go_on_in(OwnedFd fd);
    bool read_piece(SourceBatch& batch);
    void take_lines(std::string_view piece, SourceBatch& batch);
    void add(const LineCutter::Line& line, SourceBatch& batch);
    void look_at_end(SourceBatch& batch);
    bool is_still_there() const;

    const PeerDeps deps_;
    const std::string path_;
    const bool from_end_;
    const RotatedFiles rotated_;
    bool has_place_ = false;
    FilePlace place_;
    OwnedFd fd_;
    LineCutter cutter_;
    std::string piece_;
    std::string id_;
    bool moved_ = false;        // since the last batch
    bool at_end_ = false;       // the last look found nothing more
    std::int64_t gone_ns_ = 0;  // since when another file has its name; 0: none has
};

}  // namespace millrace::runtime
