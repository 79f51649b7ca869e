#include "runtime/node/page_merge.h"

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "runtime/node/member_merge.h"

#include <algorithm>
#include <deque>
#include <set>

namespace millrace::runtime::node {
namespace {

constexpr char kMark = 'm';
constexpr char kBetween = '!';

bool is_cursor_byte(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_' || c == '~' || c == ':';
}

core::Error unreadable(std::size_t partition) {
    return {core::ErrorCode::kInternal,
            "the page of partition " + std::to_string(partition) + " does not read"};
}

// One partition's page while it is merged.
class PageStream {
public:
    explicit PageStream(std::size_t partition) : partition_(partition) {}

    bool read(std::string_view body) {
        auto root = dom_.parse(body);
        core::JsonElement member;
        core::JsonArray items, places;
        if (!root || !root->find("items", member) || !member.get(items)) return false;
        if (!root->find("next", member)) return false;
        if (!member.is_null() && !member.get(next_)) return false;
        for (const core::JsonElement item : items) items_.push_back(item);
        if (!root->find("places", member) || !member.get(places)) return false;
        for (const core::JsonElement place : places) {
            core::JsonElement part;
            Place& one = places_.emplace_back();
            if (!place.find("at", part) || !part.get(one.at)) return false;
            if (!place.find("next", part) || !part.get(one.next)) return false;
        }
        if (places_.size() != items_.size()) return false;
        // Where it began: what has come in since stays out.
        if (!root->find("begin", member) || !member.get(begin_)) return false;
        if (root->find("scanned", member)) scanned_is_told = member.get(scanned);
        if (root->find("searched", member)) searched_is_told = member.get(searched);
        if (root->find("otherSources", member)) (void)member.get(others);
        return true;
    }

    std::size_t partition() const { return partition_; }
    bool there() const { return at_ < items_.size(); }
    // Its page is used up, and more may follow: what comes next here is not known.
    bool stalled() const { return !there() && !next_.empty(); }
    std::int64_t time() const { return places_[at_].at; }
    PartValue item() const { return {partition_, items_[at_]}; }
    void take() { ++at_; }
    bool is_left() const { return there() || !next_.empty(); }
    std::string cursor() const {
        if (!is_left()) return std::string(kAtEnd);
        if (!there()) return std::string(next_);
        return std::string(at_ == 0 ? begin_ : places_[at_ - 1].next);
    }

    std::uint64_t scanned = 0;
    double searched = 1;
    bool scanned_is_told = false, searched_is_told = false;
    core::JsonArray others;

private:
    struct Place {
        std::int64_t at = 0;
        std::string_view next;
    };
    const std::size_t partition_;
    core::JsonDom dom_;
    std::vector<core::JsonElement> items_;
    std::vector<Place> places_;
    std::string_view begin_, next_;
    std::size_t at_ = 0;
};

// Of one moment: newest first is oldest first read backwards.
bool comes_before(const PageStream& a, const PageStream& b, MergeOrder order) {
    if (a.time() != b.time())
        return order == MergeOrder::kNewestFirst ? a.time() > b.time() : a.time() < b.time();
    return order == MergeOrder::kNewestFirst ? a.partition() > b.partition()
                                             : a.partition() < b.partition();
}

void write_end(core::JsonWriter& json, const std::deque<PageStream>& streams,
               const MergedCursor& cursor) {
    const bool more = std::any_of(cursor.begin(), cursor.end(),
                                  [](const std::string& one) { return one != kAtEnd; });
    json.field_or_null("next", more ? write_merged_cursor(cursor) : std::string());
    std::uint64_t scanned = 0;
    double searched = 1;
    bool told = false, counted = false;
    for (const PageStream& stream : streams) {
        scanned += stream.scanned;
        counted = counted || stream.scanned_is_told;
        // No more than what each of them has said.
        if (stream.searched_is_told) searched = std::min(searched, stream.searched);
        told = told || stream.searched_is_told;
    }
    if (counted) json.field("scanned", scanned);
    if (told && more) json.field("searched", searched);
}

}  // namespace

std::string write_merged_cursor(const MergedCursor& cursor) {
    std::string out(1, kMark);
    for (std::size_t p = 0; p < cursor.size(); ++p) {
        if (p != 0) out += kBetween;
        out += cursor[p];
    }
    return out;
}

std::optional<MergedCursor> read_merged_cursor(std::string_view text, std::size_t partitions) {
    if (text.empty()) return MergedCursor(partitions);
    if (text.front() != kMark || text.size() > kCursorBytesMax) return {};
    text.remove_prefix(1);
    MergedCursor out;
    for (;;) {
        const std::size_t end = std::min(text.find(kBetween), text.size());
        const std::string_view one = text.substr(0, end);
        if (out.size() == partitions || !std::all_of(one.begin(), one.end(), is_cursor_byte))
            return {};
        out.emplace_back(one);
        if (end == text.size()) break;
        text.remove_prefix(end + 1);
    }
    if (out.size() != partitions) return {};
    return out;
}

core::Result<std::string> merge_pages(std::span<const PartPage> pages, MergedCursor cursor,
                                      const PageRules& rules) {
    std::deque<PageStream> streams;
    for (const PartPage& page : pages) {
        if (!streams.emplace_back(page.partition).read(page.body))
            return core::fail(unreadable(page.partition));
    }
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("items").begin_array();
    for (std::size_t taken = 0; taken < rules.limit; ++taken) {
        PageStream* best = nullptr;
        bool stalled = false;
        for (PageStream& stream : streams) {
            stalled = stalled || stream.stalled();
            if (stream.there() && (!best || comes_before(stream, *best, rules.order)))
                best = &stream;
        }
        if (stalled || !best) break;
        if (rules.tells_partitions)
            append_with_partition(json, best->item());
        else
            json.raw(best->item().value.raw());
        best->take();
    }
    json.end_array();
    for (const PageStream& stream : streams) cursor[stream.partition()] = stream.cursor();
    write_end(json, streams, cursor);
    std::set<std::string_view> others;
    for (const PageStream& stream : streams) {
        for (const core::JsonElement one : stream.others) others.insert(one.raw());
    }
    if (!others.empty()) {
        json.key("otherSources").begin_array();
        for (const std::string_view one : others) json.raw(one);
        json.end_array();
    }
    json.end_object();
    return out;
}

core::Result<std::string> merge_counts(std::span<const PartPage> pages, MergedCursor cursor) {
    std::uint64_t count = 0, scanned = 0;
    double searched = 1;
    core::JsonDom dom;
    for (const PartPage& page : pages) {
        auto root = dom.parse(page.body);
        core::JsonElement member;
        std::uint64_t number = 0;
        if (!root || !root->find("count", member) || !member.get(number))
            return core::fail(unreadable(page.partition));
        count += number;
        number = 0;
        if (root->find("scanned", member)) member.get(number);
        scanned += number;
        double share = 1;
        if (root->find("searched", member)) member.get(share);
        searched = std::min(searched, share);
        std::string_view next;
        if (!root->find("next", member)) return core::fail(unreadable(page.partition));
        cursor[page.partition] = member.get(next) && !next.empty() ? next : kAtEnd;
    }
    const bool more = std::any_of(cursor.begin(), cursor.end(),
                                  [](const std::string& one) { return one != kAtEnd; });
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("count", count);
    json.field_or_null("next", more ? write_merged_cursor(cursor) : std::string());
    json.field("scanned", scanned);
    json.field("searched", searched).end_object();
    return out;
}

}  // namespace millrace::runtime::node
