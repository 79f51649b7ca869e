#include "runtime/cluster/snapshot_source.h"

#include "core/crypto/constant_time.h"
#include "core/crypto/random_bits.h"
#include "core/hex.h"
#include "runtime/identity/trusted_front.h"
#include "store/commit/crc32c.h"
#include "store/file_util.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace millrace::runtime::cluster {
namespace {

// Few and small requests: as little memory as there is.
io::ReactorOptions small_reactor() {
    io::ReactorOptions out;
    out.backend = io::BackendChoice::kEpoll;
    out.receive_buffers = 4;
    out.receive_buffer_bytes = 4096;
    out.streams_max = 64;
    out.spare_bytes_max = 2 * kPieceBytes;
    return out;
}

bool read_number(const io::Request& request, std::string_view name, std::uint64_t& out) {
    const auto text = request.query_value(name);
    if (!text || text->empty()) return false;
    const auto read = std::from_chars(text->data(), text->data() + text->size(), out);
    return read.ec == std::errc() && read.ptr == text->data() + text->size();
}

// False: the disk does not give it.
bool read_piece(const std::string& path, std::uint64_t from, std::size_t bytes, std::string& out) {
    out.resize(bytes);
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    std::size_t have = 0;
    while (have < bytes) {
        const ssize_t got =
            ::pread(fd, out.data() + have, bytes - have, static_cast<off_t>(from + have));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        have += static_cast<std::size_t>(got);
    }
    ::close(fd);
    return have == bytes;
}

}  // namespace

core::Result<std::unique_ptr<SnapshotSource>> SnapshotSource::create(Options options,
                                                                     const core::Clock& clock,
                                                                     Make make) {
    auto address = io::Address::parse(options.address);
    if (!address) return core::fail(std::move(address.error()));
    auto reactor = io::Reactor::create(small_reactor(), clock);
    if (!reactor) return core::fail(std::move(reactor.error()));
    std::unique_ptr<SnapshotSource> out(
        new SnapshotSource(std::move(options), clock, std::move(make)));
    out->reactor_ = std::move(*reactor);
    io::HttpLimits limits;
    limits.body_bytes_max = 0;
    limits.connections_max = 16;
    limits.spare_connections_max = 4;
    out->server_ = std::make_unique<io::HttpServer>(*out->reactor_, *out, limits);
    auto listens = out->server_->listen(*address, io::ListenRole::kFirst);
    if (!listens) return core::fail(std::move(listens.error()));
    return out;
}

SnapshotSource::SnapshotSource(Options options, const core::Clock& clock, Make make)
    : options_(std::move(options)), clock_(clock), make_(std::move(make)) {}

SnapshotSource::~SnapshotSource() { drop(); }

void SnapshotSource::drop() {
    if (!given_) return;
    given_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(options_.folder, ignored);
}

void SnapshotSource::refuse(const io::Request& request, core::ErrorCode code, std::string words) {
    const core::Error error(code, std::move(words));
    server_->respond_error(request.token, code == core::ErrorCode::kUnavailable
                                              ? core::Error(error).retry_after(2)
                                              : error);
}

void SnapshotSource::on_request(io::Request& request) {
    using core::ErrorCode;
    if (!options_.token.empty() && !core::crypto::constant_time_equal(
                                       request.header(identity::kFrontTokenHeader), options_.token))
        return refuse(request, ErrorCode::kUnauthorized, "snapshots are for nodes of the cluster");
    const auto path = read_snapshot_path(request.path);
    if (!path || path->partition != options_.partition)
        return refuse(request, ErrorCode::kNotFound, "no such partition is here");
    if (request.method == io::Method::kPost && path->id.empty()) return make(request);
    if (!given_ || path->id != given_->manifest.id)
        return refuse(request, ErrorCode::kNotFound, "this snapshot is gone");
    given_->asked_ns = clock_.monotonic_ns();
    if (request.method == io::Method::kDelete) {
        drop();
        server_->respond(request.token, {.status = 204}, std::string_view());
        return;
    }
    give(request);
}

void SnapshotSource::make(const io::Request& request) {
    using core::ErrorCode;
    store::CopyEnd asks;
    if (!read_number(request, "end", asks.offset) || !read_number(request, "hash", asks.hash))
        return refuse(request, ErrorCode::kValidation,
                      "query parameters end and hash: where the log of who asks ends");
    if (given_)
        return refuse(request, ErrorCode::kUnavailable, "another copy is being filled from here");
    const std::string disk = std::filesystem::path(options_.folder).parent_path().string();
    if (store::free_disk_bytes(disk) < options_.reserve_bytes)
        return refuse(request, ErrorCode::kUnavailable,
                      "the disk here is short of room: a snapshot keeps what the store leaves");
    auto made = make_(options_.folder, asks);
    if (!made) {
        server_->respond_error(request.token, made.error());
        return;
    }
    std::string id;
    core::append_hex_of(id, core::crypto::random_bytes(8));
    given_ = Given{{std::move(id), std::move(*made)}, clock_.monotonic_ns()};
    server_->respond(request.token, {.status = 200}, given_->manifest.json());
}

void SnapshotSource::give(const io::Request& request) {
    const std::string name = request.query_value("file").value_or("");
    std::uint64_t from = 0;
    const auto& files = given_->manifest.snapshot.files;
    const auto file = std::find_if(files.begin(), files.end(),
                                   [&name](const auto& one) { return one.name == name; });
    if (file == files.end() || !read_number(request, "from", from) || from > file->bytes)
        return refuse(request, core::ErrorCode::kValidation,
                      "query parameters file and from: a place in a file of this snapshot");
    const std::size_t bytes = std::min<std::uint64_t>(kPieceBytes, file->bytes - from);
    if (!read_piece(options_.folder + "/" + name, from, bytes, piece_)) {
        drop();
        return refuse(request, core::ErrorCode::kNotFound, "this snapshot is gone: " + name);
    }
    const std::string crc = std::to_string(store::crc32c(piece_));
    const std::array<io::HeaderField, 1> headers = {{{kPieceCrcHeader, crc}}};
    server_->respond(
        request.token,
        {.status = 200, .content_type = "application/octet-stream", .headers = headers}, piece_);
}

std::size_t SnapshotSource::do_work() {
    const std::size_t done = reactor_->poll(0);
    const std::int64_t now_ns = clock_.monotonic_ns();
    if (!given_ || now_ns - looked_ns_ < kLookNs) return done;
    looked_ns_ = now_ns;
    if (now_ns - given_->asked_ns >= kIdleNs ||
        store::free_disk_bytes(options_.folder) < options_.reserve_bytes)
        drop();
    return done;
}

}  // namespace millrace::runtime::cluster
