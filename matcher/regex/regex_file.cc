#include "matcher/regex/regex_file.h"

#include <hs/hs.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace millrace::matcher {
namespace {

struct Record {
    std::uint32_t key_bytes = 0;
    std::uint32_t database_bytes = 0;
    std::uint64_t key_hash = 0;
    std::uint64_t checksum = 0;  // of key and database
};
static_assert(sizeof(Record) == 24);

std::string head_text() {
    hs_platform_info_t platform{};
    hs_populate_platform(&platform);
    return "millrace regex 1\n" + std::string(hs_version()) + "\n" + std::to_string(platform.tune) +
           " " + std::to_string(platform.cpu_features) + "\n";
}

bool read_at(int file, void* out, std::size_t bytes, std::uint64_t offset) {
    auto* to = static_cast<char*>(out);
    while (bytes > 0) {
        const ssize_t got = ::pread(file, to, bytes, static_cast<off_t>(offset));
        if (got <= 0) return false;
        to += got;
        bytes -= static_cast<std::size_t>(got);
        offset += static_cast<std::uint64_t>(got);
    }
    return true;
}

bool write_at(int file, std::string_view text, std::uint64_t offset) {
    while (!text.empty()) {
        const ssize_t put = ::pwrite(file, text.data(), text.size(), static_cast<off_t>(offset));
        if (put <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(put));
        offset += static_cast<std::uint64_t>(put);
    }
    return true;
}

std::uint64_t hash_of(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }

// Set before the threads start, then only read.
std::unique_ptr<RegexFile>& the_file() {
    static std::unique_ptr<RegexFile> file;
    return file;
}

// Lengths and flags stand between the texts, so that no two lists have one key.
std::string key_of(const RegexToCompile* expressions, std::size_t count) {
    std::string key;
    for (std::size_t i = 0; i < count; ++i) {
        key += std::to_string(std::strlen(expressions[i].text)) + ":" +
               std::to_string(expressions[i].flags) + ":" + expressions[i].text;
    }
    return key;
}

}  // namespace

std::unique_ptr<RegexFile> RegexFile::open(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) return nullptr;
    std::unique_ptr<RegexFile> out(new RegexFile(file));
    if (!out->load()) out->begin_anew();
    return out;
}

RegexFile::~RegexFile() { ::close(file_); }

void RegexFile::begin_anew() {
    places_.clear();
    const std::string head = head_text();
    const bool made = ::ftruncate(file_, 0) == 0 && write_at(file_, head, 0);
    end_ = made ? head.size() : kRegexFileBytesMax;  // a file that can't be written stays unused
}

// Reads the records' heads; what is behind the last whole one is overwritten by the next.
bool RegexFile::load() {
    struct stat state {};
    if (::fstat(file_, &state) != 0) return false;
    const auto bytes = static_cast<std::uint64_t>(state.st_size);
    const std::string head = head_text();
    std::string there(head.size(), '\0');
    if (bytes > kRegexFileBytesMax || bytes < head.size() ||
        !read_at(file_, there.data(), there.size(), 0) || there != head) {
        return false;
    }
    end_ = head.size();
    Record record;
    while (end_ + sizeof record <= bytes && read_at(file_, &record, sizeof record, end_)) {
        const std::uint64_t behind =
            end_ + sizeof record + record.key_bytes + record.database_bytes;
        if (record.database_bytes == 0 || behind > bytes) break;
        places_.emplace(record.key_hash,
                        Place{end_, record.key_bytes, record.database_bytes, record.checksum});
        end_ = behind;
    }
    return true;
}

hs_database* RegexFile::find(std::string_view key) {
    std::lock_guard lock(mutex_);
    const auto [first, last] = places_.equal_range(hash_of(key));
    std::string text;
    for (auto at = first; at != last; ++at) {
        const Place& place = at->second;
        if (place.key_bytes != key.size()) continue;
        text.resize(std::size_t{place.key_bytes} + place.database_bytes);
        if (!read_at(file_, text.data(), text.size(), place.offset + sizeof(Record)) ||
            hash_of(text) != place.checksum || !std::string_view(text).starts_with(key)) {
            continue;
        }
        hs_database_t* database = nullptr;
        // It checks version, processor and a checksum of its own.
        if (hs_deserialize_database(text.data() + key.size(), place.database_bytes, &database) ==
            HS_SUCCESS) {
            return database;
        }
    }
    return nullptr;
}

void RegexFile::add(std::string_view key, const hs_database* database) {
    char* bytes = nullptr;
    std::size_t count = 0;
    if (hs_serialize_database(database, &bytes, &count) != HS_SUCCESS) return;
    std::string text(sizeof(Record), '\0');
    text += key;
    text.append(bytes, count);
    std::free(bytes);
    Record record;
    record.key_bytes = static_cast<std::uint32_t>(key.size());
    record.database_bytes = static_cast<std::uint32_t>(count);
    record.key_hash = hash_of(key);
    record.checksum = hash_of(std::string_view(text).substr(sizeof record));
    std::memcpy(text.data(), &record, sizeof record);
    std::lock_guard lock(mutex_);
    if (closed_ || end_ + text.size() > kRegexFileBytesMax || !write_at(file_, text, end_)) return;
    places_.emplace(record.key_hash,
                    Place{end_, record.key_bytes, record.database_bytes, record.checksum});
    end_ += text.size();
}

void RegexFile::close() {
    std::lock_guard lock(mutex_);
    closed_ = true;
}

std::size_t RegexFile::size() const {
    std::lock_guard lock(mutex_);
    return places_.size();
}

// ---- expressions that are compiled elsewhere

namespace {

// The Scope that this thread is in.
thread_local DeferredRegexes* deferred_here = nullptr;

}  // namespace

DeferredRegexes::Scope::Scope(DeferredRegexes& deferred) { deferred_here = &deferred; }
DeferredRegexes::Scope::~Scope() { deferred_here = nullptr; }

bool DeferredRegexes::note(const std::string& key, const RegexToCompile& expression) {
    if (std::find(tried_.begin(), tried_.end(), key) != tried_.end()) return false;
    noted_.push_back({key, expression.text, expression.flags});
    return true;
}

void DeferredRegexes::compile(const std::atomic<bool>& enough) {
    for (Noted& noted : noted_) {
        if (enough.load(std::memory_order_relaxed)) return;
        const RegexToCompile expression{noted.text.c_str(), noted.flags};
        hs_compile_error_t* reason = nullptr;
        if (hs_database_t* database = compile_regex(&expression, 1, &reason))
            hs_free_database(database);
        else
            hs_free_compile_error(reason);
        tried_.push_back(std::move(noted.key));
    }
    noted_.clear();
}

// ---- compiling

void use_regex_file(std::unique_ptr<RegexFile> file) { the_file() = std::move(file); }
void close_regex_file() {
    if (RegexFile* file = the_file().get()) file->close();
}

hs_database* compile_regex(const RegexToCompile* expressions, std::size_t count,
                           hs_compile_error** reason) {
    RegexFile* file = the_file().get();
    std::string key;
    if (file) {
        key = key_of(expressions, count);
        if (hs_database* known = file->find(key)) return known;
        if (deferred_here && count == 1 && deferred_here->note(key, expressions[0])) return nullptr;
    }
    std::vector<const char*> texts;
    std::vector<unsigned> flags;
    std::vector<unsigned> ids;
    for (std::size_t i = 0; i < count; ++i) {
        texts.push_back(expressions[i].text);
        flags.push_back(expressions[i].flags);
        ids.push_back(static_cast<unsigned>(i));
    }
    hs_database_t* database = nullptr;
    if (hs_compile_multi(texts.data(), flags.data(), ids.data(), static_cast<unsigned>(count),
                         HS_MODE_BLOCK, nullptr, &database, reason) != HS_SUCCESS) {
        return nullptr;
    }
    if (file) file->add(key, database);
    return database;
}

}  // namespace millrace::matcher
