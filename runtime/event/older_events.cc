#include "runtime/event/older_events.h"

#include "runtime/event/json_scan.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace millrace::runtime {
namespace {

enum class Level : std::uint8_t { kTop, kMetadata };

struct OlderName {
    std::string_view older;  // with quotes, as all here
    std::string_view ours;
    Level level = Level::kTop;
};

constexpr OlderName kOlderNames[] = {
    {"\"name\"", "\"pattern\""},
    {"\"event_type\"", "\"pattern\""},
    {"\"data\"", "\"payload\""},
    {"\"event_data\"", "\"payload\""},
    {"\"scheduled_at\"", "\"scheduledAt\""},
    {"\"event_id\"", "\"eventId\""},
    {"\"partition_key\"", "\"partitionKey\""},
    {"\"tenant_id\"", "\"tenantId\""},
    {"\"type\"", "\"class\"", Level::kMetadata},
    {"\"trigger_type\"", "\"triggerType\"", Level::kMetadata},
    {"\"correlation_id\"", "\"correlationId\"", Level::kMetadata},
    {"\"causation_id\"", "\"causationId\"", Level::kMetadata},
};

std::string_view bare(std::string_view quoted) { return quoted.substr(1, quoted.size() - 2); }

struct Said {
    std::string_view ours;
    std::string_view as;  // what it was called
    std::string_view value;
};

class OlderEventReader {
public:
    OlderEventReader(std::string_view sent, OlderEvents& out) : sent_(sent), out_(out) {}

    // Appends the envelope; an Error for what is said twice.
    core::Status convert(std::string_view event) {
        top_.clear();
        inner_.clear();
        metadata_ = {};
        ours_ = !member_of(event, "\"pattern\"").empty();
        const bool whole = scan_members(event, [&](std::string_view key, std::string_view value) {
            take(key, value);
            return true;
        });
        if (!whole) {  // the parser says what it is
            token(event);
            return {};
        }
        settle_type();
        for (const auto* members : {&top_, &inner_}) {
            if (auto once = said_once(*members); !once) return once;
        }
        if (auto once = metadata_says_nothing_else(); !once) return once;
        write();
        return {};
    }

private:
    void take(std::string_view key, std::string_view value) {
        if (key == "\"metadata\"") {
            metadata_ = value;
            return;
        }
        const auto name =
            std::find_if(std::begin(kOlderNames), std::end(kOlderNames),
                         [&](const OlderName& candidate) { return candidate.older == key; });
        // In an event that has a pattern these are a mistake, as any word that is no member.
        const bool mistaken = ours_ && (key == "\"type\"" || key == "\"data\"");
        if (name == std::end(kOlderNames) || mistaken)
            top_.push_back({key, key, value});
        else
            (name->level == Level::kTop ? top_ : inner_).push_back({name->ours, key, value});
    }
    // The type of one that has no other name is its pattern.
    void settle_type() {
        const auto is_pattern = [](const Said& said) { return said.ours == "\"pattern\""; };
        if (std::any_of(top_.begin(), top_.end(), is_pattern)) return;
        const auto type = std::find_if(inner_.begin(), inner_.end(),
                                       [](const Said& said) { return said.as == "\"type\""; });
        if (type == inner_.end()) return;
        top_.push_back({"\"pattern\"", type->as, type->value});
        inner_.erase(type);
    }
    static core::Status twice(std::string_view one, std::string_view other) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      std::string(one) + " and " + std::string(other) +
                                          " say the same; give one of them")
                              .in(std::string(one)));
    }
    // In one spelling: the same one twice the parser refuses.
    static core::Status said_once(const std::vector<Said>& members) {
        for (const Said& one : members) {
            if (one.ours == one.as) continue;
            for (const Said& other : members) {
                if (other.ours == one.ours && other.as != one.as)
                    return twice(bare(one.as), bare(other.as));
            }
        }
        return {};
    }
    core::Status metadata_says_nothing_else() const {
        for (const Said& said : inner_) {
            if (!member_of(metadata_, said.ours).empty())
                return twice(bare(said.as), "metadata." + std::string(bare(said.ours)));
        }
        return {};
    }

    void write() {
        out_.text += '{';
        bool first = true;
        const auto key = [&](std::string_view name) {
            if (!std::exchange(first, false)) out_.text += ',';
            out_.text.append(name) += ':';
        };
        for (const Said& said : top_) {
            key(said.ours);
            if (said.ours == "\"priority\"")
                priority(said.value);
            else
                token(said.value);
        }
        if (!metadata_.empty() || !inner_.empty()) {
            key("\"metadata\"");
            metadata();
        }
        out_.text += '}';
    }
    void metadata() {
        if (inner_.empty() || (!metadata_.empty() && metadata_.front() != '{'))
            return token(metadata_);
        out_.text += '{';
        for (const Said& said : inner_) {
            if (&said != inner_.data()) out_.text += ',';
            out_.text.append(said.ours) += ':';
            token(said.value);
        }
        scan_members(metadata_, [&](std::string_view name, std::string_view value) {
            out_.text.append(",").append(name) += ':';
            token(value);
            return true;
        });
        out_.text += '}';
    }
    // Names of priorities are in capitals.
    void priority(std::string_view value) {
        if (!value.starts_with('"')) return token(value);
        for (const char c : value)
            out_.text += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    void token(std::string_view bytes) {
        const auto at = static_cast<std::size_t>(bytes.data() - sent_.data());
        if (!bytes.empty()) out_.places.note(out_.text.size(), at, bytes.size());
        out_.text.append(bytes);
    }

    const std::string_view sent_;
    OlderEvents& out_;
    std::vector<Said> top_, inner_;
    std::string_view metadata_;
    bool ours_ = false;  // it is an envelope but for a name or two
};

// Each entry of the text, in order; false: it can not be cut into entries.
template <typename Visit>
bool each_entry(std::string_view text, core::BatchFormat format, const Visit& visit) {
    if (format == core::BatchFormat::kJson) {
        JsonScanner in(text);
        if (in.next_is('['))
            return scan_items(text, [&](std::string_view item) { return visit(item), true; });
        const auto one = in.value();
        if (!one || !in.at_end()) return false;
        visit(*one);
        return true;
    }
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        if (line.find_first_not_of(" \t\r") != std::string_view::npos) visit(line);
    }
    return true;
}

}  // namespace

bool is_older_event_member(std::string_view name) {
    return std::any_of(std::begin(kOlderNames), std::end(kOlderNames),
                       [&](const OlderName& candidate) { return bare(candidate.older) == name; });
}

bool envelopes_from_older_events(std::string_view text, core::BatchFormat format,
                                 OlderEvents& out) {
    OlderEventReader reader(text, out);
    const bool lines = format == core::BatchFormat::kNdjson;
    const bool array = !lines && JsonScanner(text).next_is('[');
    if (array) out.text += '[';
    std::uint32_t number = 0;
    const bool whole = each_entry(text, format, [&](std::string_view entry) {
        const std::size_t before = out.text.size();
        if (!out.entries.empty()) out.text += lines ? '\n' : ',';
        auto converted = reader.convert(entry);
        if (converted) {
            out.entries.push_back(number);
        } else {
            out.text.resize(before);
            out.rejected.push_back({number, std::move(converted.error())});
        }
        ++number;
    });
    if (array) out.text += ']';
    return whole;
}

}  // namespace millrace::runtime
