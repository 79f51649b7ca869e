#include "runtime/schedule/cron.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {
namespace {

enum class FieldName : std::uint8_t { kSecond, kMinute, kHour, kDay, kMonth, kWeekday, kYear };

struct FieldRules {
    std::string_view name;
    int min = 0;
    int max = 0;
};
constexpr FieldRules kFields[] = {{"second", 0, 59},
                                  {"minute", 0, 59},
                                  {"hour", 0, 23},
                                  {"day of month", 1, 31},
                                  {"month", 1, 12},
                                  {"day of week", 0, 7},
                                  {"year", kCronYearMin, kCronYearMax}};

constexpr std::string_view kMonths[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view kWeekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Nickname {
    std::string_view name;
    std::string_view means;
};
constexpr Nickname kNicknames[] = {{"@yearly", "0 0 1 1 *"},  {"@annually", "0 0 1 1 *"},
                                   {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
                                   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
                                   {"@hourly", "0 * * * *"}};

struct Field {
    std::string_view text;
    std::size_t at = 0;  // in the expression
};

// What an item of a list names: from, to, every nth.
struct Span {
    int from = 0;
    int to = 0;
    int step = 1;
};

constexpr std::array<std::uint64_t, 4> all_years() {
    std::array<std::uint64_t, 4> years{};
    for (unsigned year = 0; year <= kCronYearMax - kCronYearMin; ++year)
        years[year / 64] |= std::uint64_t{1} << (year % 64);
    return years;
}
constexpr auto kAllYears = all_years();

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

class Parser {
public:
    explicit Parser(std::string_view whole) : whole_(whole) { fields_.reserve(8); }

    core::Result<CronSpec> read();

private:
    core::Status fail(std::size_t at, std::string what) const {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "cron: " + std::move(what) + " at byte " +
                                                          std::to_string(at) + " of \"" +
                                                          std::string(whole_.substr(0, 128)) + "\"")
                .in("cron")
                .at(static_cast<std::int64_t>(at)));
    }
    core::Status split();
    core::Status read_fields();
    core::Status read_field(const Field& field, FieldName name);
    core::Status read_item(const Field& item, FieldName name, bool alone);
    core::Status read_plain(const Field& item, FieldName name);
    core::Status read_day_item(const Field& item, bool alone, bool& taken);
    core::Status read_weekday_item(const Field& item, bool& taken);
    // Takes a number or a name off the front of `item`.
    core::Status take_value(Field& item, FieldName name, int& value) const;
    void set(FieldName name, const Span& span);

    const std::string_view whole_;
    std::vector<Field> fields_;
    CronSpec spec_;
    bool repeats_ = false;  // *, a range or a step in second, minute or hour
};

core::Status Parser::split() {
    std::size_t at = 0;
    while (at < whole_.size()) {
        if (whole_[at] == ' ' || whole_[at] == '\t') {
            ++at;
            continue;
        }
        const std::size_t end = std::min(whole_.find_first_of(" \t", at), whole_.size());
        fields_.push_back({whole_.substr(at, end - at), at});
        at = end;
    }
    return {};
}

core::Result<CronSpec> Parser::read() {
    if (whole_.size() > kCronTextBytesMax) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation,
                        "cron: is longer than " + std::to_string(kCronTextBytesMax) + " bytes")
                .in("cron")
                .bound(kCronTextBytesMax));
    }
    if (auto ok = split(); !ok) return core::fail(std::move(ok.error()));
    if (!fields_.empty() && fields_[0].text.front() == '@') {
        if (fields_.size() > 1) {
            auto more = fail(fields_[1].at, "nothing may follow a name such as @daily");
            return core::fail(std::move(more.error()));
        }
        if (fields_[0].text == "@reboot") {
            spec_.at_start = true;
            return spec_;
        }
        for (const Nickname& nickname : kNicknames) {
            if (fields_[0].text == nickname.name) return Parser(nickname.means).read();
        }
        auto unknown = fail(fields_[0].at,
                            "unknown name; expected @yearly, @annually, @monthly, @weekly, @daily, "
                            "@midnight, @hourly or @reboot");
        return core::fail(std::move(unknown.error()));
    }
    if (auto ok = read_fields(); !ok) return core::fail(std::move(ok.error()));
    return spec_;
}

core::Status Parser::read_fields() {
    if (fields_.size() < 5 || fields_.size() > 7) {
        const std::size_t at = fields_.size() > 7 ? fields_[7].at : whole_.size();
        return fail(at, "there are " + std::to_string(fields_.size()) +
                            " fields; expected 5 (minute hour day month weekday), 6 (second "
                            "first) or 7 (year last), the end or another field");
    }
    auto name =
        static_cast<std::size_t>(fields_.size() == 5 ? FieldName::kMinute : FieldName::kSecond);
    if (fields_.size() == 5) spec_.seconds = 1;
    if (fields_.size() < 7) spec_.years = kAllYears;
    for (const Field& field : fields_) {
        if (auto ok = read_field(field, static_cast<FieldName>(name++)); !ok) return ok;
    }
    spec_.fixed_time = !repeats_;
    return {};
}

core::Status Parser::read_field(const Field& given, FieldName name) {
    Field field = given;
    if (name == FieldName::kWeekday && field.text.front() == '+') {
        spec_.both = true;
        field.text.remove_prefix(1);
        ++field.at;
        if (field.text.empty()) return fail(field.at, "expected a day of week behind +");
    }
    const bool may_be_open = name == FieldName::kDay || name == FieldName::kWeekday;
    if (field.text == "?" && !may_be_open)
        return fail(field.at, "? stands for a day of month or of week only");
    if (may_be_open && (field.text == "*" || field.text == "?")) {
        (name == FieldName::kDay ? spec_.any_day : spec_.any_weekday) = true;
        return {};
    }
    const bool alone = field.text.find(',') == std::string_view::npos;
    std::size_t begin = 0;
    while (true) {
        const std::size_t end = std::min(field.text.find(',', begin), field.text.size());
        const Field item{field.text.substr(begin, end - begin), field.at + begin};
        if (auto ok = read_item(item, name, alone); !ok) return ok;
        if (end == field.text.size()) return {};
        begin = end + 1;
    }
}

core::Status Parser::read_item(const Field& item, FieldName name, bool alone) {
    if (item.text.empty()) {
        return fail(item.at, "expected a value of " +
                                 std::string(kFields[static_cast<std::size_t>(name)].name));
    }
    bool taken = false;
    core::Status ok;
    if (name == FieldName::kDay) ok = read_day_item(item, alone, taken);
    if (name == FieldName::kWeekday) ok = read_weekday_item(item, taken);
    if (!ok || taken) return ok;
    return read_plain(item, name);
}

// L, LW, 15W.
core::Status Parser::read_day_item(const Field& item, bool alone, bool& taken) {
    if (item.text == "L") {
        spec_.last_day = taken = true;
        return {};
    }
    if (item.text.back() != 'W') return {};
    taken = true;
    if (!alone) return fail(item.at, "W stands alone, not in a list");
    if (item.text == "LW") {
        spec_.nearest_weekday = 32;
        return {};
    }
    Field rest = item;
    int day = 0;
    if (auto ok = take_value(rest, FieldName::kDay, day); !ok) return ok;
    if (rest.text != "W") return fail(rest.at, "expected W behind one day");
    spec_.nearest_weekday = static_cast<std::uint8_t>(day);
    return {};
}

// 5L, 5#L, FRI#2.
core::Status Parser::read_weekday_item(const Field& item, bool& taken) {
    const std::size_t mark = item.text.find('#');
    const bool last = item.text.back() == 'L' && mark == std::string_view::npos;
    if (mark == std::string_view::npos && !last) return {};
    taken = true;
    Field rest = item;
    int weekday = 0;
    if (auto ok = take_value(rest, FieldName::kWeekday, weekday); !ok) return ok;
    std::uint8_t& nth = spec_.weekday_nth[static_cast<std::size_t>(weekday % 7)];
    if (rest.text == "L" || rest.text == "#L") {
        nth |= kCronLastOfMonth;
        return {};
    }
    if (rest.text.size() != 2 || rest.text[0] != '#' || rest.text[1] < '1' || rest.text[1] > '5')
        return fail(rest.at, "expected #1 to #5, #L or L behind one day of week");
    nth = static_cast<std::uint8_t>(nth | 1u << (rest.text[1] - '0'));
    return {};
}

core::Status Parser::read_plain(const Field& item, FieldName name) {
    const FieldRules& rules = kFields[static_cast<std::size_t>(name)];
    Field rest = item;
    Span span{rules.min, rules.max, 1};
    bool range = true;
    if (rest.text.front() == '*') {
        rest.text.remove_prefix(1);
        ++rest.at;
    } else {
        if (auto ok = take_value(rest, name, span.from); !ok) return ok;
        range = rest.text.starts_with('-');
        span.to = span.from;
        if (range) {
            rest.text.remove_prefix(1);
            ++rest.at;
            const std::size_t at = rest.at;
            if (auto ok = take_value(rest, name, span.to); !ok) return ok;
            // Sunday is the last day of a week as well as the first.
            if (name == FieldName::kWeekday && span.to == 0 && span.from > 0) span.to = 7;
            if (span.to < span.from) return fail(at, "the range ends before it begins");
        }
    }
    if (rest.text.starts_with('/')) {
        rest.text.remove_prefix(1);
        ++rest.at;
        std::size_t digits = 0;
        while (digits < rest.text.size() && is_digit(rest.text[digits])) ++digits;
        constexpr std::size_t kStepDigitsMax = 6;
        if (digits == 0 || digits > kStepDigitsMax)
            return fail(rest.at, "expected a step, a number from 1");
        std::from_chars(rest.text.data(), rest.text.data() + digits, span.step);
        if (span.step == 0) return fail(rest.at, "a step of 0 goes nowhere");
        rest.text.remove_prefix(digits);
        rest.at += digits;
        if (!range) span.to = name == FieldName::kWeekday && span.from < 7 ? 6 : rules.max;
        range = true;
    }
    if (!rest.text.empty()) {
        return fail(rest.at,
                    "expected the end of the field or one of , - / in " + std::string(rules.name));
    }
    if (range && name <= FieldName::kHour) repeats_ = true;
    set(name, span);
    return {};
}

core::Status Parser::take_value(Field& item, FieldName name, int& value) const {
    const FieldRules& rules = kFields[static_cast<std::size_t>(name)];
    const auto out_of_range = [&] {
        return fail(item.at, "expected a " + std::string(rules.name) + " from " +
                                 std::to_string(rules.min) + " to " + std::to_string(rules.max));
    };
    std::size_t length = 0;
    while (length < item.text.size() && is_digit(item.text[length])) ++length;
    if (length > 0) {
        constexpr std::size_t kDigitsMax = 4;
        if (length > kDigitsMax) return out_of_range();
        std::from_chars(item.text.data(), item.text.data() + length, value);
        if (value < rules.min || value > rules.max) return out_of_range();
    } else {
        std::string word;
        while (length < item.text.size() && word.size() < 3 && is_letter(item.text[length]))
            word += static_cast<char>(item.text[length++] | 0x20);
        const auto find = [&](const auto& names, int first) {
            const auto at = std::find(std::begin(names), std::end(names), word);
            if (at == std::end(names)) return false;
            value = first + static_cast<int>(at - std::begin(names));
            return true;
        };
        const bool known = (name == FieldName::kMonth && find(kMonths, 1)) ||
                           (name == FieldName::kWeekday && find(kWeekdays, 0));
        if (!known) return out_of_range();
    }
    item.text.remove_prefix(length);
    item.at += length;
    return {};
}

void Parser::set(FieldName name, const Span& span) {
    for (int value = span.from; value <= span.to; value += span.step) {
        const auto bit = static_cast<unsigned>(value);
        switch (name) {
            case FieldName::kSecond: spec_.seconds |= std::uint64_t{1} << bit; break;
            case FieldName::kMinute: spec_.minutes |= std::uint64_t{1} << bit; break;
            case FieldName::kHour: spec_.hours |= 1u << bit; break;
            case FieldName::kDay: spec_.days |= 1u << bit; break;
            case FieldName::kMonth:
                spec_.months = static_cast<std::uint16_t>(spec_.months | 1u << bit);
                break;
            case FieldName::kWeekday:
                spec_.weekdays = static_cast<std::uint8_t>(spec_.weekdays | 1u << (bit % 7));
                break;
            case FieldName::kYear: {
                const unsigned year = bit - kCronYearMin;
                spec_.years[year / 64] |= std::uint64_t{1} << (year % 64);
                break;
            }
        }
    }
}

}  // namespace

core::Result<CronSpec> parse_cron(std::string_view text) { return Parser(text).read(); }

}  // namespace millrace::runtime
