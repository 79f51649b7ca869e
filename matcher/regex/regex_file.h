// What: compiled expressions kept over restarts. Compiling one takes Hyperscan from a fraction of a
//       millisecond to half a second, reading it back some microseconds; a start with ten thousand
//       of them took ten seconds. One file of records {expressions, serialised database}; its head
//       names the library's version and the processor, and a file of another one begins anew.
// Threads: any (mutex; cold). use_regex_file() before the threads start.
// Lifetime: of the process. One process at a time, which the lock on the data folder sees to.
// Limits: kRegexFileBytesMax; nothing is added beyond it, and an open that finds more begins anew.
// Failure: whatever can't be read or written is compiled: nothing depends on the file.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct hs_database;
struct hs_compile_error;

namespace millrace::matcher {

inline constexpr std::size_t kRegexFileBytesMax = 512u << 20;

class RegexFile {
public:
    // Null when the file can be neither read nor made.
    static std::unique_ptr<RegexFile> open(const std::string& path);
    ~RegexFile();
    RegexFile(const RegexFile&) = delete;
    RegexFile& operator=(const RegexFile&) = delete;

    // The database compiled from `key`; null when there is none that can be read here.
    hs_database* find(std::string_view key);
    void add(std::string_view key, const hs_database* database);
    // Nothing is added from now on: the folder may be another process's in a moment.
    void close();
    std::size_t size() const;

private:
    struct Place {
        std::uint64_t offset = 0;  // of the record
        std::uint32_t key_bytes = 0;
        std::uint32_t database_bytes = 0;
        std::uint64_t checksum = 0;
    };
    explicit RegexFile(int file) : file_(file) {}
    bool load();
    void begin_anew();

    const int file_;
    mutable std::mutex mutex_;
    bool closed_ = false;
    std::uint64_t end_ = 0;
    std::unordered_multimap<std::uint64_t, Place> places_;  // by the key's hash
};

// What compile_regex() asks first and tells; none until then.
void use_regex_file(std::unique_ptr<RegexFile> file);
// RegexFile::close() of that one; any thread.
void close_regex_file();

// hs_compile_multi in block mode, from the file where that is known there. Null: refused, `reason`
// is the caller's to free.
struct RegexToCompile {
    const char* text = nullptr;
    unsigned flags = 0;
};
hs_database* compile_regex(const RegexToCompile* expressions, std::size_t count,
                           hs_compile_error** reason);

// Keeps the compiling from a thread that others wait for. In its Scope, single expressions that the
// file does not know are noted and refused; compile() makes them, on any thread, and in the next
// Scope they are there. One that compile() could not keep is compiled in the Scope then. Without a
// file nothing is put off.
class DeferredRegexes {
public:
    class Scope {
    public:
        explicit Scope(DeferredRegexes& deferred);
        ~Scope();
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;
    };

    bool any() const { return !noted_.empty(); }
    // Ends before the next one when `enough` has become true.
    void compile(const std::atomic<bool>& enough);

private:
    friend hs_database* compile_regex(const RegexToCompile*, std::size_t, hs_compile_error**);
    struct Noted {
        std::string key;
        std::string text;
        unsigned flags = 0;
    };
    bool note(const std::string& key, const RegexToCompile& expression);

    std::vector<Noted> noted_;
    std::vector<std::string> tried_;  // keys
};

}  // namespace millrace::matcher
