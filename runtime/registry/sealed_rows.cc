#include "runtime/registry/sealed_rows.h"

#include "core/base64.h"
#include "core/crypto/random_bits.h"
#include "core/crypto/secret_bytes.h"
#include "core/listed.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::runtime {
namespace {

constexpr std::string_view kSealedBegin = R"({"sealed":")";
constexpr std::string_view kSealedEnd = R"("})";
// As subscription_kind.cc writes it: a webhook's.
constexpr std::string_view kWebhookSecret = R"("secret":{"current":")";

tl::unexpected<core::Error> refuse(const std::string& path, const std::string& why) {
    return core::fail(
        core::Error(core::ErrorCode::kValidation, "secrets.key_file: " + path + " " + why)
            .in("secrets.key_file"));
}

core::Result<std::string> make_key(const std::string& path) {
    std::string key = core::crypto::random_bytes(core::crypto::kSealKeyBytes);
    const std::string text = core::encode_base64(key) + "\n";
    const std::string fresh = path + ".new";
    ::unlink(fresh.c_str());  // of a start that was cut short
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return refuse(path, std::string("can't be made: ") + std::strerror(errno));
    const bool written =
        ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(fd) == 0;
    const int error = errno;
    ::close(fd);
    if (!written || ::rename(fresh.c_str(), path.c_str()) != 0)
        return refuse(path,
                      std::string("can't be made: ") + std::strerror(written ? errno : error));
    const std::string folder = path.substr(0, path.rfind('/'));
    const int folder_fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd >= 0) {
        ::fsync(folder_fd);
        ::close(folder_fd);
    }
    return key;
}

std::string about(const RegistryRow& row) { return row.kind + "/" + row.id; }

bool is_sealed(const RegistryRow& row) {
    return row.json.starts_with(kSealedBegin) && row.json.ends_with(kSealedEnd);
}

enum class Opened : std::uint8_t { kNot, kByFirst, kByOlder };

// One that does not open stays as it is.
Opened open(std::string_view keys, RegistryRow& row) {
    std::string_view json = row.json;
    json.remove_prefix(kSealedBegin.size());
    json.remove_suffix(kSealedEnd.size());
    const auto sealed = core::decode_base64(json, core::Base64Form::kPaddingOrNone);
    if (!sealed) return Opened::kNot;
    for (std::size_t at = 0; at < keys.size(); at += core::crypto::kSealKeyBytes) {
        const std::string key(keys.substr(at, core::crypto::kSealKeyBytes));
        auto plain = core::crypto::open_sealed(key, *sealed, about(row));
        if (!plain) continue;
        row.json = std::move(*plain);
        return at == 0 ? Opened::kByFirst : Opened::kByOlder;
    }
    return Opened::kNot;
}

}  // namespace

core::Result<std::string> read_seal_keys(const std::string& path, MissingKey missing) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT && missing == MissingKey::kMake) return make_key(path);
        return refuse(path, std::string("can't be read: ") + std::strerror(errno));
    }
    std::array<char, 1024> room{};
    const ssize_t bytes = ::read(fd, room.data(), room.size());
    ::close(fd);
    std::string_view text(room.data(), static_cast<std::size_t>(std::max<ssize_t>(bytes, 0)));
    std::string keys;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = core::trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty()) continue;
        const auto key = core::decode_base64(line, core::Base64Form::kPaddingOrNone);
        if (!key || key->size() != core::crypto::kSealKeyBytes)
            return refuse(path, "holds no key: expected base64 of 32 bytes a line");
        keys += *key;
    }
    const std::size_t count = keys.size() / core::crypto::kSealKeyBytes;
    if (count == 0) return refuse(path, "holds no key: expected base64 of 32 bytes");
    if (count > kSealKeysMax)
        return refuse(path, "holds more than " + std::to_string(kSealKeysMax) + " keys");
    return keys;
}

bool SealedRegistryRows::holds_secrets(const RegistryRow& row) {
    if (row.kind.starts_with("secret") || row.kind.starts_with("source")) return true;
    if (row.kind.starts_with("action")) return true;
    return row.kind.starts_with("subscription") &&
           row.json.find(kWebhookSecret) != std::string::npos;
}

void SealedRegistryRows::seal(RegistryRow& row) const {
    const std::string key = keys_.substr(0, core::crypto::kSealKeyBytes);
    const std::string sealed = core::crypto::seal(key, row.json, about(row));
    row.json = std::string(kSealedBegin) + core::encode_base64(sealed) + std::string(kSealedEnd);
}

RegistryRow SealedRegistryRows::opened(RegistryRow row) const {
    if (is_sealed(row)) (void)open(keys_, row);
    return row;
}

core::Result<std::vector<RegistryRow>> SealedRegistryRows::load_all(std::string_view kind) {
    std::vector<RegistryRow> rows;
    auto read = each(kind, [&](const RegistryRow& row) { rows.push_back(row); });
    if (!read) return core::fail(std::move(read.error()));
    return rows;
}

core::Status SealedRegistryRows::each(std::string_view kind, const VisitRow& visit) {
    std::vector<RegistryRow> to_seal;
    auto read = beneath().each(kind, [&](const RegistryRow& row) {
        if (is_sealed(row)) {
            RegistryRow opened = row;
            if (open(keys_, opened) == Opened::kByOlder) to_seal.push_back(opened);
            return visit(opened);
        }
        if (holds_secrets(row)) to_seal.push_back(row);
        visit(row);
    });
    if (!read || to_seal.empty()) return read;
    for (RegistryRow& row : to_seal) seal(row);
    return beneath().commit(to_seal, {}, clock_.wall_us(), core::TenantId{}, "");
}

core::Status SealedRegistryRows::commit(std::span<const RegistryRow> puts,
                                        std::span<const RegistryRowName> erases, std::int64_t at_us,
                                        core::TenantId tenant, std::string_view audit) {
    std::vector<RegistryRow> rows(puts.begin(), puts.end());
    for (RegistryRow& row : rows) {
        if (holds_secrets(row)) seal(row);
    }
    return beneath().commit(rows, erases, at_us, tenant, audit);
}

core::Result<std::vector<RegistryRow>> SealedRowsView::load_all(std::string_view kind) {
    auto rows = beneath_.load_all(kind);
    if (!rows) return rows;
    if (keys_.empty()) std::erase_if(*rows, is_sealed);
    for (RegistryRow& row : *rows) {
        if (is_sealed(row)) (void)open(keys_, row);
    }
    return rows;
}

core::Status SealedRowsView::commit(std::span<const RegistryRow>, std::span<const RegistryRowName>,
                                    std::int64_t, core::TenantId, std::string_view) {
    return core::fail(core::ErrorCode::kInternal, "the folder is only looked at");
}

}  // namespace millrace::runtime
