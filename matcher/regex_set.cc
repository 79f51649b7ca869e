#include "matcher/regex_set.h"

#include "matcher/leaf_store.h"
#include "matcher/limits.h"
#include "matcher/pivot_chooser.h"
#include "matcher/regex.h"
#include "matcher/simple_regex.h"

#include <hs/hs.h>

#include <optional>

namespace millrace::matcher {

struct CompiledRegex {
    std::string text;
    std::optional<SimpleRegex> simple;
    hs_database_t* database = nullptr;  // null when simple
    std::size_t bytes = 0;

    CompiledRegex() = default;
    CompiledRegex(const CompiledRegex&) = delete;
    CompiledRegex& operator=(const CompiledRegex&) = delete;
    ~CompiledRegex() { hs_free_database(database); }
};

namespace {

int on_match(unsigned, unsigned long long, unsigned long long, unsigned, void* found) {
    *static_cast<bool*>(found) = true;
    return 1;  // one is enough
}

}  // namespace

RegexSet::RegexSet() = default;
RegexSet::~RegexSet() = default;

core::Result<std::uint32_t> RegexSet::add(std::string_view text) {
    const auto next = static_cast<std::uint32_t>(regexes_.size());
    const auto known = by_text_.find(std::string(text));
    if (known != by_text_.end()) return known->second;
    auto regex = std::make_shared<CompiledRegex>();
    regex->text = text;
    if (text.size() <= kRegexBytesMax) regex->simple = SimpleRegex::compile(text);
    if (regex->simple) {
        regex->bytes = regex->simple->bytes();
        regexes_.push_back(std::move(regex));
        by_text_.emplace(text, next);
        return next;
    }
    auto translated = translate_regex(text);
    if (!translated) return core::fail(std::move(translated.error()));
    hs_compile_error_t* reason = nullptr;
    if (hs_compile(translated->c_str(), regex_compile_flags(), HS_MODE_BLOCK, nullptr,
                   &regex->database, &reason) != HS_SUCCESS) {
        core::Error error(
            core::ErrorCode::kValidation,
            std::string("regex: ") + (reason ? reason->message : "refused by Hyperscan"));
        hs_free_compile_error(reason);
        return core::fail(std::move(error));
    }
    hs_database_size(regex->database, &regex->bytes);
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

bool RegexSet::found_in(std::uint32_t number, std::string_view text, EvalScratch& scratch) const {
    const CompiledRegex& regex = *regexes_[number];
    if (regex.simple) return regex.simple->found_in(text);
    bool found = false;
    const hs_database_t* database = regex.database;
    const char* data = text.empty() ? "" : text.data();
    const auto bytes = static_cast<unsigned>(text.size());
    auto* hs = static_cast<hs_scratch_t*>(scratch.regex);
    hs_error_t error = hs ? hs_scan(database, data, bytes, 0, hs, on_match, &found) : HS_INVALID;
    if (error == HS_INVALID) [[unlikely]] {  // the scratch has never met so large an expression
        if (hs_alloc_scratch(database, &hs) != HS_SUCCESS) return false;
        scratch.regex = hs;
        error = hs_scan(database, data, bytes, 0, hs, on_match, &found);
    }
    return found;
}

bool RegexSet::pivots(std::uint32_t number, std::vector<TextPivot>& out) const {
    const CompiledRegex& regex = *regexes_[number];
    return regex.simple && regex.simple->pivots(out);
}

std::size_t RegexSet::bytes() const {
    std::size_t sum = 0;
    for (const auto& regex : regexes_) sum += regex->bytes + regex->text.size() * 2 + 128;
    return sum;
}

void RegexSet::free_scratch(EvalScratch& scratch) {
    hs_free_scratch(static_cast<hs_scratch_t*>(scratch.regex));
    scratch.regex = nullptr;
}

}  // namespace millrace::matcher
