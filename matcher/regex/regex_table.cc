#include "matcher/regex/regex_table.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

namespace millrace::matcher {

// Characters that the same classes have share a column. The bytes that go on with a character
// beyond ASCII change nothing; the one that begins it stands for all of it. By column: bits of the
// classes that have it.
std::vector<std::uint64_t> RegexTable::share_columns(const SimpleRegex& regex) {
    constexpr std::uint8_t kGoesOn = 0, kBeyond = 1;
    std::map<std::uint64_t, std::uint8_t> columns;
    std::vector<std::uint64_t> takes = {0, 0};
    const std::size_t classes = std::min<std::size_t>(regex.classes_.size(), 64);
    for (std::size_t k = 0; k < classes; ++k)
        takes[kBeyond] |= std::uint64_t{regex.classes_[k].beyond_ascii} << k;
    for (unsigned c = 0; c < 256; ++c) {
        if (c >= 0x80) {
            column_[c] = (c & 0xc0) == 0x80 ? kGoesOn : kBeyond;
            continue;
        }
        std::uint64_t has = 0;
        for (std::size_t k = 0; k < classes; ++k)
            has |= std::uint64_t{regex.classes_[k].has(static_cast<unsigned char>(c))} << k;
        const auto [known, fresh] = columns.emplace(has, static_cast<std::uint8_t>(takes.size()));
        if (fresh) takes.push_back(has);
        column_[c] = known->second;
    }
    return takes;
}

std::optional<RegexTable> RegexTable::make(const SimpleRegex& regex) {
    constexpr unsigned kNever = 0, kFound = 1;
    RegexTable out;
    const std::vector<std::uint64_t> takes = out.share_columns(regex);
    const std::size_t width = takes.size();

    // A state is the positions that are alive; before the first character there are none, and more
    // may begin than later on.
    using State = std::pair<std::uint64_t, bool>;
    std::map<State, std::uint16_t> numbers;
    std::vector<State> states(2);
    std::vector<std::uint16_t> next(2 * width, kNever);
    std::fill(next.begin() + static_cast<std::ptrdiff_t>(width), next.end(), kFound);
    const auto number_of = [&](const State& state) {
        const auto [known, fresh] =
            numbers.emplace(state, static_cast<std::uint16_t>(states.size()));
        if (fresh) states.push_back(state);
        return known->second;
    };
    const bool found_at_once = regex.nullable_ && (!regex.at_end_ || !regex.at_start_);
    const std::uint16_t start = found_at_once ? std::uint16_t{kFound} : number_of({0, true});
    for (std::size_t i = 2; i < states.size(); ++i) {
        if (states.size() > kStatesMax) return std::nullopt;
        const auto [live, begin] = states[i];
        std::uint64_t reach = begin || !regex.at_start_ ? regex.first_ : 0;
        for (std::uint64_t bits = live; bits != 0; bits &= bits - 1)
            reach |= regex.follow_[static_cast<std::size_t>(std::countr_zero(bits))];
        next.push_back(static_cast<std::uint16_t>(i));  // the column of what goes on
        for (std::size_t column = 1; column < width; ++column) {
            std::uint64_t then = 0;
            for (std::uint64_t bits = reach; bits != 0; bits &= bits - 1) {
                const auto position = static_cast<std::size_t>(std::countr_zero(bits));
                if (takes[column] >> regex.class_of_[position] & 1) then |= bits & (~bits + 1);
            }
            if (!regex.at_end_ && (then & regex.last_) != 0)
                next.push_back(kFound);
            else if (then == 0 && regex.at_start_)
                next.push_back(kNever);
            else
                next.push_back(number_of({then, false}));
        }
    }
    if (states.size() > kStatesMax) return std::nullopt;

    out.fits_.resize(next.size());
    for (std::size_t i = 0; i < states.size(); ++i) {
        const auto [live, begin] = states[i];
        const bool empty_fits = begin && regex.nullable_ && i > kFound;
        out.fits_[i * width] =
            i == kFound || empty_fits || (i > kFound && regex.at_end_ && (live & regex.last_) != 0);
    }
    for (const std::uint16_t state : next)
        out.next_.push_back(static_cast<std::uint16_t>(state * width));
    out.start_ = start * width;
    out.settled_ = kFound * width;
    return out;
}

RegexTable::Exit RegexTable::exit_of(std::size_t row) const {
    constexpr unsigned char kBeyondAscii = 0xc3;
    if (row <= settled_ || next_[row + column_[kBeyondAscii]] != 0) return {};
    Exit out;
    bool ended = false;
    for (unsigned c = 0; c < 0x80; ++c) {
        const std::size_t next = next_[row + column_[c]];
        if (next == 0) {
            ended = out.row != 0;
            continue;
        }
        if (next <= settled_ || ended || (out.row != 0 && next != out.row)) return {};
        if (out.row == 0) out.low = static_cast<char>(c);
        out.high = static_cast<char>(c);
        out.row = next;
    }
    out.is_known = true;
    return out;
}

std::optional<CharRun> RegexTable::as_run() const {
    CharRun out;
    std::size_t row = start_;
    Exit exit = exit_of(row);
    // One character after the other.
    while (exit.is_known && exit.row != 0 && exit.low == exit.high && exit.row != row) {
        if (fits_[row] != 0 || out.head.size() == kStatesMax) break;
        out.head += exit.low;
        row = exit.row;
        exit = exit_of(row);
    }
    out.low = exit.low;
    out.high = exit.high;
    // Then a range of them: it ends, or comes round.
    bool fits = false;
    for (std::size_t count = 0; exit.is_known && count <= kStatesMax; ++count) {
        if (fits && fits_[row] == 0) return std::nullopt;
        if (!fits && fits_[row] != 0) out.least = count;
        fits = fits_[row] != 0;
        if (exit.row == row || exit.row == 0) {
            out.most = exit.row == 0 ? count : CharRun::kNoEnd;
            if (fits) return out;
            return std::nullopt;
        }
        if (exit.low != out.low || exit.high != out.high) return std::nullopt;
        row = exit.row;
        exit = exit_of(row);
    }
    return std::nullopt;
}

}  // namespace millrace::matcher
