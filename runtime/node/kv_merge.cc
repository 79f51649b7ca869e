#include "runtime/node/kv_merge.h"

#include "runtime/node/part_bodies.h"
#include "store/rows/page_cursor.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace millrace::runtime::node {
namespace {

constexpr char kKvMark = 'k';
constexpr char kKvBetween = '!';

// One partition's page while it is merged.
struct KvPage {
    std::size_t partition = 0;
    std::vector<core::JsonElement> items;
    bool more = false;
    std::size_t at = 0;

    bool there() const { return at < items.size(); }
    bool stalled() const { return !there() && more; }
    std::string_view key() const { return text_in(items[at], "key"); }
};

std::vector<KvPage> kv_pages_of(const PartBodies& bodies) {
    std::vector<KvPage> out;
    for (const PartValue& body : bodies.values()) {
        KvPage& page = out.emplace_back();
        page.partition = body.partition;
        core::JsonElement member;
        core::JsonArray items;
        if (body.value.find("items", member) && member.get(items)) {
            for (const core::JsonElement item : items) page.items.push_back(item);
        }
        page.more = !text_in(body.value, "next").empty();
    }
    return out;
}

// History that one of them does not have any more is not the whole's; where one keeps none, there
// is none.
void since_all(core::JsonWriter& json, PartValues values) {
    const bool none = std::any_of(values.begin(), values.end(),
                                  [](const PartValue& one) { return one.value.is_null(); });
    if (none)
        json.value(nullptr);
    else
        latest_of(json, values);
}

}  // namespace

std::string write_kv_cursor(const KvPlace& place) {
    std::string out(1, kKvMark);
    out.append(store::encode_cursor_key(place.all)).append(1, kKvBetween);
    out.append(store::encode_cursor_key(place.some)).append(1, kKvBetween);
    return out + std::to_string(place.partition);
}

std::optional<KvPlace> read_kv_cursor(std::string_view text) {
    KvPlace out;
    if (text.empty()) return out;
    const std::size_t first = text.find(kKvBetween);
    const std::size_t second =
        first == std::string_view::npos ? first : text.find(kKvBetween, first + 1);
    if (text.front() != kKvMark || second == std::string_view::npos) return {};
    const std::string_view digits = text.substr(second + 1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), out.partition);
    if (digits.empty() || read.ec != std::errc() || read.ptr != digits.data() + digits.size())
        return {};
    const std::string_view all = text.substr(1, first - 1);
    if (!all.empty() && !store::decode_cursor_key(all, out.all)) return {};
    if (!store::decode_cursor_key(text.substr(first + 1, second - first - 1), out.some)) return {};
    return out;
}

core::Result<std::string> merge_kv(std::span<const PartPage> parts, KvPlace place,
                                   std::size_t limit) {
    PartBodies bodies;
    if (auto read = bodies.read(parts); !read) return core::fail(read.error());
    std::vector<KvPage> pages = kv_pages_of(bodies);
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().key("items").begin_array();
    for (std::size_t taken = 0; taken < limit; ++taken) {
        KvPage* best = nullptr;
        bool stalled = false;
        for (KvPage& page : pages) {
            stalled = stalled || page.stalled();
            if (page.there() && (!best || page.key() < best->key())) best = &page;
        }
        // What comes next where a page is used up is not known.
        if (stalled || !best) break;
        if (best->key() != place.some) place.all = place.some;
        place.some = best->key();
        place.partition = best->partition;
        append_with_partition(json, {best->partition, best->items[best->at++]});
    }
    json.end_array();
    const bool more = std::any_of(pages.begin(), pages.end(), [](const KvPage& page) {
        return page.there() || page.stalled();
    });
    json.field_or_null("next", more ? write_kv_cursor(place) : std::string());
    json.key("at");
    first_of(json, bodies.member("at"));
    json.key("historySince");
    since_all(json, bodies.member("historySince"));
    json.end_object();
    return out;
}

}  // namespace millrace::runtime::node
