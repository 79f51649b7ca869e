// What: the regular expressions of an index, each one once: simple ones as automata of our own, the
//       others as Hyperscan databases.
// Threads: built by one thread; then read by any number, each with its own scratch.
// Lifetime: goes with its index; compiled expressions are shared between indexes.
// Limits: matcher/filter/limits.h.
// Failure: add() refuses what Hyperscan refuses, with its reason. Where Hyperscan fails to scan, an
//       expression is asked of our own automaton; one beyond that counts as not found, and
//       scan_failures() counts it.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct hs_database;

namespace millrace::matcher {

struct EvalScratch;
struct CompiledRegex;
struct TextPivot;

// A Hyperscan database; expression i of several reports itself as i.
class RegexDatabase {
public:
    // Of expressions that add() has accepted. Null when Hyperscan refuses them together.
    static std::shared_ptr<const RegexDatabase> compile(const std::vector<std::string>& texts);
    ~RegexDatabase();
    RegexDatabase(const RegexDatabase&) = delete;
    RegexDatabase& operator=(const RegexDatabase&) = delete;

    const hs_database* get() const { return database_; }
    std::size_t expressions() const { return expressions_; }
    std::size_t bytes() const { return bytes_; }

private:
    friend class RegexSet;
    RegexDatabase(hs_database* database, std::size_t expressions);
    hs_database* database_;
    std::size_t expressions_;
    std::size_t bytes_ = 0;
};

// Where an expression is in a database it shares with others.
struct SharedPlace {
    std::shared_ptr<const RegexDatabase> database;
    std::uint32_t index = 0;
};

class RegexSet {
public:
    RegexSet();
    ~RegexSet();
    RegexSet(const RegexSet&) = delete;
    RegexSet& operator=(const RegexSet&) = delete;

    core::Result<std::uint32_t> add(std::string_view text);
    std::uint32_t add(const RegexSet& other, std::uint32_t number);
    bool found_in(std::uint32_t number, std::string_view text, EvalScratch& scratch) const;
    std::size_t size() const { return regexes_.size(); }
    std::size_t bytes() const;
    // Literals to hang on; see SimpleRegex.
    bool pivots(std::uint32_t number, std::vector<TextPivot>& out) const;
    const std::string& text(std::uint32_t number) const;
    // For RegexBank::compile(), which runs in one thread at a time.
    SharedPlace& shared_place(std::uint32_t number) const;

    // Scans that Hyperscan failed, in this process.
    static std::uint64_t scan_failures();
    // Calls on_match(i) with each of the database's expressions found in the text. False when
    // Hyperscan fails.
    static bool scan(const RegexDatabase& database, std::string_view text, EvalScratch& scratch,
                     int (*on_match)(unsigned, unsigned long long, unsigned long long, unsigned,
                                     void*),
                     void* context);
    static void free_scratch(EvalScratch& scratch);

private:
    std::vector<std::shared_ptr<CompiledRegex>> regexes_;
    std::unordered_map<std::string, std::uint32_t> by_text_;
};

}  // namespace millrace::matcher
