#include "runtime/links/file_place.h"

#include "core/json_reader.h"
#include "core/json_writer.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>

#include <sys/stat.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

void append_hex64(std::string& out, std::uint64_t value) {
    char digits[16];
    const auto end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
    out.append(digits, end);
}

bool read_hex64(core::JsonObject& in, std::string_view name, std::uint64_t& out) {
    std::string text;
    if (!in.text(name, text, {.presence = core::Presence::kRequired, .bytes_max = 16}))
        return false;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), out, 16);
    if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return true;
    in.refuse(name, "is no number");
    return false;
}

// As many as are there; 0 where they can not be read.
std::size_t read_at(int fd, char* out, std::size_t bytes, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < bytes) {
        const ssize_t got =
            ::pread(fd, out + done, bytes - done, static_cast<off_t>(offset + done));
        if (got <= 0) break;
        done += static_cast<std::size_t>(got);
    }
    return done;
}

// 0 means that there is nothing.
std::uint64_t hash_of(std::string_view bytes) {
    return std::max<std::uint64_t>(1, XXH3_64bits(bytes.data(), bytes.size()));
}

}  // namespace

std::string FilePlace::json() const {
    std::string out, hex;
    const auto word = [&hex](std::uint64_t value) {
        hex.clear();
        append_hex64(hex, value);
        return std::string_view(hex);
    };
    core::JsonWriter json(out);
    json.begin_object().field("inode", inode).field("begin", word(begin_hash));
    json.field("offset", offset).field("tail", word(tail_hash)).end_object();
    return out;
}

core::Result<FilePlace> FilePlace::read(std::string_view text) {
    core::JsonDocument document;
    auto in = document.parse_object(text, "position");
    if (!in) return core::fail(std::move(in.error()));
    FilePlace out;
    in->integer_as("inode", out.inode, 0, INT64_MAX, core::Presence::kRequired);
    in->integer_as("offset", out.offset, 0, INT64_MAX, core::Presence::kRequired);
    read_hex64(*in, "begin", out.begin_hash);
    read_hex64(*in, "tail", out.tail_hash);
    if (auto status = in->finish(); !status) return core::fail(std::move(status.error()));
    return out;
}

std::uint64_t begin_hash_of(int fd) {
    char bytes[FilePlace::kBeginBytesMax];
    const std::string_view begin(bytes, read_at(fd, bytes, sizeof bytes, 0));
    const std::size_t end = begin.find('\n');
    if (end == std::string_view::npos && begin.size() < sizeof bytes) return 0;
    return hash_of(begin.substr(0, end));
}

std::uint64_t hash_of_tail(std::string_view bytes_before) {
    const std::size_t bytes = std::min(bytes_before.size(), FilePlace::kTailBytesMax);
    return bytes == 0 ? 0 : hash_of(bytes_before.substr(bytes_before.size() - bytes));
}

std::uint64_t tail_hash_of(int fd, std::uint64_t offset) {
    char bytes[FilePlace::kTailBytesMax];
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(offset, sizeof bytes));
    return hash_of_tail({bytes, read_at(fd, bytes, wanted, offset - wanted)});
}

std::string differs_because(int fd, const FilePlace& place) {
    struct stat about {};
    if (::fstat(fd, &about) != 0) return "it can not be looked at";
    const auto bytes = static_cast<std::uint64_t>(about.st_size);
    if (bytes < place.offset) {
        return "it has " + std::to_string(bytes) + " bytes, and was read to byte " +
               std::to_string(place.offset) + ": it was cut, or written anew";
    }
    if (place.offset == 0) return {};
    if (begin_hash_of(fd) != place.begin_hash || tail_hash_of(fd, place.offset) != place.tail_hash)
        return "what stands before byte " + std::to_string(place.offset) +
               ", to which it was read, is not what was read: it was written anew";
    return {};
}

void append_line_id(std::string& out, const FilePlace& place, std::uint64_t offset) {
    append_hex64(out, place.inode);
    out += '-';
    append_hex64(out, place.begin_hash);
    out += '-';
    out += std::to_string(offset);
}

}  // namespace millrace::runtime
