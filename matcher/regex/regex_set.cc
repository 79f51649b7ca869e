#include "matcher/regex/regex_set.h"

#include "matcher/filter/limits.h"
#include "matcher/index/eval_scratch.h"
#include "matcher/index/pivot_chooser.h"
#include "matcher/regex/regex.h"
#include "matcher/regex/regex_file.h"
#include "matcher/regex/simple_regex.h"

#include <hs/hs.h>

#include <atomic>
#include <optional>

namespace millrace::matcher {

struct CompiledRegex {
    std::string text;
    std::optional<SimpleRegex> simple;
    std::shared_ptr<const RegexDatabase> database;  // null when simple
    SharedPlace shared;
};

namespace {

std::atomic<std::uint64_t> failures{0};

int on_match(unsigned, unsigned long long, unsigned long long, unsigned, void* found) {
    *static_cast<bool*>(found) = true;
    return 1;  // one is enough
}

}  // namespace

RegexDatabase::RegexDatabase(hs_database* database, std::size_t expressions)
    : database_(database), expressions_(expressions) {
    hs_database_size(database_, &bytes_);
}
RegexDatabase::~RegexDatabase() { hs_free_database(database_); }

std::shared_ptr<const RegexDatabase> RegexDatabase::compile(const std::vector<std::string>& texts) {
    std::vector<std::string> translated;
    for (const std::string& text : texts) {
        auto one = translate_regex(text);
        if (!one) return nullptr;
        translated.push_back(std::move(*one));
    }
    // Each is reported once a scan, however often it is found.
    std::vector<RegexToCompile> expressions;
    for (const std::string& text : translated)
        expressions.push_back({text.c_str(), regex_compile_flags() | HS_FLAG_SINGLEMATCH});
    hs_compile_error_t* reason = nullptr;
    hs_database_t* database = compile_regex(expressions.data(), expressions.size(), &reason);
    if (!database) {
        hs_free_compile_error(reason);
        return nullptr;
    }
    return std::shared_ptr<const RegexDatabase>(new RegexDatabase(database, expressions.size()));
}

RegexSet::RegexSet() = default;
RegexSet::~RegexSet() = default;

core::Result<std::uint32_t> RegexSet::add(std::string_view text) {
    const auto next = static_cast<std::uint32_t>(regexes_.size());
    const auto known = by_text_.find(std::string(text));
    if (known != by_text_.end()) return known->second;
    auto regex = std::make_shared<CompiledRegex>();
    regex->text = text;
    if (text.size() <= kRegexBytesMax) regex->simple = SimpleRegex::compile(text);
    if (!regex->simple) {
        auto translated = translate_regex(text);
        if (!translated) return core::fail(std::move(translated.error()));
        hs_compile_error_t* reason = nullptr;
        const RegexToCompile expression{translated->c_str(), regex_compile_flags()};
        hs_database_t* database = compile_regex(&expression, 1, &reason);
        if (!database) {
            core::Error error(
                core::ErrorCode::kValidation,
                std::string("regex: ") + (reason ? reason->message : "refused by Hyperscan"));
            hs_free_compile_error(reason);
            return core::fail(std::move(error));
        }
        regex->database.reset(new RegexDatabase(database, 1));
    }
    regexes_.push_back(std::move(regex));
    by_text_.emplace(text, next);
    return next;
}

std::uint32_t RegexSet::add(const RegexSet& other, std::uint32_t number) {
    const auto& regex = other.regexes_[number];
    const auto [at, inserted] =
        by_text_.try_emplace(regex->text, static_cast<std::uint32_t>(regexes_.size()));
    if (inserted) regexes_.push_back(regex);
    return at->second;
}

const std::string& RegexSet::text(std::uint32_t number) const { return regexes_[number]->text; }
SharedPlace& RegexSet::shared_place(std::uint32_t number) const { return regexes_[number]->shared; }

std::uint64_t RegexSet::scan_failures() {
    return failures.load(std::memory_order_relaxed);  // a counter
}

bool RegexSet::scan(const RegexDatabase& database, std::string_view text, EvalScratch& scratch,
                    int (*on_match)(unsigned, unsigned long long, unsigned long long, unsigned,
                                    void*),
                    void* context) {
    const char* data = text.empty() ? "" : text.data();
    const auto bytes = static_cast<unsigned>(text.size());
    auto* hs = static_cast<hs_scratch_t*>(scratch.regex);
    hs_error_t error =
        hs ? hs_scan(database.get(), data, bytes, 0, hs, on_match, context) : HS_INVALID;
    if (error == HS_INVALID) [[unlikely]] {  // the scratch has never met so large a database
        if (hs_alloc_scratch(database.get(), &hs) == HS_SUCCESS) {
            scratch.regex = hs;
            error = hs_scan(database.get(), data, bytes, 0, hs, on_match, context);
        }
    }
    if (error == HS_SUCCESS || error == HS_SCAN_TERMINATED) [[likely]]
        return true;
    failures.fetch_add(1, std::memory_order_relaxed);  // a counter
    return false;
}

bool RegexSet::found_in(std::uint32_t number, std::string_view text, EvalScratch& scratch) const {
    const CompiledRegex& regex = *regexes_[number];
    if (regex.simple) return regex.simple->found_in(text);
    bool found = false;
    return scan(*regex.database, text, scratch, on_match, &found) && found;
}

bool RegexSet::pivots(std::uint32_t number, std::vector<TextPivot>& out) const {
    const CompiledRegex& regex = *regexes_[number];
    return regex.simple && regex.simple->pivots(out);
}

std::size_t RegexSet::bytes() const {
    std::size_t sum = 0;
    for (const auto& regex : regexes_) {
        sum += regex->text.size() * 2 + 128;
        sum += regex->simple ? regex->simple->bytes() : regex->database->bytes();
    }
    return sum;
}

void RegexSet::free_scratch(EvalScratch& scratch) {
    hs_free_scratch(static_cast<hs_scratch_t*>(scratch.regex));
    scratch.regex = nullptr;
}

}  // namespace millrace::matcher
