#include "matcher/regex/regex_bank.h"

#include "matcher/index/eval_scratch.h"

#include <algorithm>
#include <unordered_map>

namespace millrace::matcher {

namespace {

struct Found {
    const std::vector<std::uint32_t>& numbers;
    std::vector<std::uint32_t>& out;
    std::uint32_t gone;
};

int on_match(unsigned id, unsigned long long, unsigned long long, unsigned, void* context) {
    auto& found = *static_cast<Found*>(context);
    if (found.numbers[id] != found.gone) found.out.push_back(found.numbers[id]);
    return 0;
}

}  // namespace

// Databases made for earlier indexes serve on while half of their expressions are still wanted.
void RegexBank::reuse(const RegexSet& set) {
    std::unordered_map<const RegexDatabase*, std::vector<std::uint32_t>> by_database;
    std::vector<std::uint32_t> others;
    for (const std::uint32_t number : loose_) {
        const SharedPlace& place = set.shared_place(number);
        (place.database ? by_database[place.database.get()] : others).push_back(number);
    }
    for (auto& [database, numbers] : by_database) {
        if (numbers.size() * 2 < database->expressions()) {
            others.insert(others.end(), numbers.begin(), numbers.end());
            continue;
        }
        Part part{set.shared_place(numbers.front()).database, {}};
        part.numbers.assign(database->expressions(), kGone);
        for (const std::uint32_t number : numbers)
            part.numbers[set.shared_place(number).index] = number;
        together_ += numbers.size();
        parts_.push_back(std::move(part));
    }
    loose_ = std::move(others);
}

void RegexBank::compile(const RegexSet& set) {
    reuse(set);
    std::sort(loose_.begin(), loose_.end());
    std::vector<std::uint32_t> refused;
    for (std::size_t begin = 0; begin < loose_.size(); begin += kBankExpressions) {
        const std::size_t end = std::min(begin + kBankExpressions, loose_.size());
        Part part;
        std::vector<std::string> texts;
        for (std::size_t i = begin; i < end; ++i) {
            part.numbers.push_back(loose_[i]);
            texts.push_back(set.text(loose_[i]));
        }
        part.database = RegexDatabase::compile(texts);
        if (!part.database) {
            refused.insert(refused.end(), part.numbers.begin(), part.numbers.end());
            continue;
        }
        for (std::uint32_t i = 0; i < part.numbers.size(); ++i)
            set.shared_place(part.numbers[i]) = {part.database, i};
        together_ += part.numbers.size();
        parts_.push_back(std::move(part));
    }
    loose_ = std::move(refused);
}

bool RegexBank::scan(const Part& part, std::string_view text, EvalScratch& scratch,
                     std::vector<std::uint32_t>& out) const {
    Found found{part.numbers, out, kGone};
    return RegexSet::scan(*part.database, text, scratch, on_match, &found);
}

void RegexBank::find(const RegexSet& set, std::string_view text, EvalScratch& scratch,
                     std::vector<std::uint32_t>& out) const {
    const auto ask = [&](std::uint32_t number) {
        if (number != kGone && set.found_in(number, text, scratch)) out.push_back(number);
    };
    for (const std::uint32_t number : loose_) ask(number);
    for (const Part& part : parts_) {
        const std::size_t before = out.size();
        if (scan(part, text, scratch, out)) [[likely]]
            continue;
        out.resize(before);
        for (const std::uint32_t number : part.numbers) ask(number);
    }
}

std::size_t RegexBank::bytes() const {
    std::size_t sum = loose_.capacity() * sizeof(std::uint32_t);
    for (const Part& part : parts_)
        sum += part.database->bytes() + part.numbers.capacity() * sizeof(std::uint32_t);
    return sum;
}

}  // namespace millrace::matcher
