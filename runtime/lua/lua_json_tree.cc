#include "runtime/lua/lua_json_tree.h"

#include "runtime/lua/lua_json_scan.h"

#include <cstring>

namespace millrace::runtime {

namespace scan = json_scan;

std::uint32_t JsonTree::add_node(const char* begin, const char* end, std::uint32_t depth) {
    if (begin >= end || (*begin != '{' && *begin != '[')) return kNone;
    Node& node = nodes_.emplace_back();
    node.begin = begin;
    node.end = end;
    node.scan = begin + 1;
    node.is_array = *begin == '[';
    node.depth = depth;
    return static_cast<std::uint32_t>(nodes_.size() - 1);
}

std::uint32_t JsonTree::node_of(std::uint32_t member_index, std::uint32_t parent) {
    if (members_[member_index].node == kNone) {
        members_[member_index].node =
            add_node(members_[member_index].value, nodes_[parent].end, nodes_[parent].depth + 1);
    }
    return members_[member_index].node;
}

// Finds one more member; kNone at the end. The end of a value is looked for only when the next
// member is wanted, so that touching event.payload does not walk over the payload.
std::uint32_t JsonTree::discover(std::uint32_t node_index) {
    Node& node = nodes_[node_index];
    if (node.complete) return kNone;
    const char* const end = node.end;
    const char* p = node.scan;
    if (node.last != kNone) p = scan::value_end(members_[node.last].value, end);
    p = scan::skip_space(p, end);
    if (p < end && *p == ',') p = scan::skip_space(p + 1, end);
    // Filled where it stands: a copy of fields just written would wait for the stores.
    const auto index = static_cast<std::uint32_t>(members_.size());
    Member& member = members_.emplace_back();
    bool found = p < end && *p != '}' && *p != ']';
    if (found && !node.is_array) {
        found = *p == '"';
        if (found) {
            member.key = p + 1;
            p = scan::string_end(p + 1, end, member.key_escaped);
            member.key_bytes = static_cast<std::uint32_t>(p - member.key);
            p = scan::skip_space(p < end ? p + 1 : end, end);
            found = p < end && *p == ':';
            if (found) p = scan::skip_space(p + 1, end);
            found = found && p < end;
        }
    }
    if (!found) {
        members_.pop_back();
        node.complete = true;
        return kNone;
    }
    member.value = p;
    if (node.is_array) set_place(index, node.last);
    if (node.last == kNone) {
        node.first = index;
    } else {
        members_[node.last].next = index;
    }
    node.last = index;
    ++node.count;
    return index;
}

void JsonTree::set_place(std::uint32_t member_index, std::uint32_t before) {
    Member& member = members_[member_index];
    if (before == kNone) {
        member.index = 0;
        member.place = {member_index, member_index};
        return;
    }
    const Member& below = members_[before];
    const Member& jumped = members_[below.place.jump];
    const Member& twice = members_[jumped.place.jump];
    member.index = below.index + 1;
    const bool as_far = below.index - jumped.index == jumped.index - twice.index;
    member.place = {before, as_far ? jumped.place.jump : before};
}

// `member_index` is the element of that index or one behind it.
std::uint32_t JsonTree::find_below(std::uint32_t member_index, std::uint32_t index) const {
    while (members_[member_index].index > index) {
        const Place& place = members_[member_index].place;
        member_index = members_[place.jump].index >= index ? place.jump : place.before;
    }
    return member_index;
}

bool JsonTree::key_equals(const Member& member, std::string_view key) {
    if (!member.key_escaped) [[likely]] {
        return member.key_bytes == key.size() && (key.empty() || *member.key == key.front()) &&
               std::memcmp(member.key, key.data(), key.size()) == 0;
    }
    scratch_.clear();
    append_unescaped(scratch_, member.key, member.key + member.key_bytes);
    return scratch_ == key;
}

// Looks behind the last hit first: handlers tend to read in the order senders write.
std::uint32_t JsonTree::find(std::uint32_t node_index, std::string_view key) {
    const Node& node = nodes_[node_index];
    if (node.is_array) return kNone;
    const std::uint32_t from = node.cursor;
    const auto hit = [&](std::uint32_t index) {
        nodes_[node_index].cursor = index;
        return index;
    };
    const Member* const members = members_.data();
    std::uint32_t i = from == kNone ? node.first : from;
    for (; i != kNone; i = members[i].next) {
        if (key_equals(members[i], key)) return hit(i);
    }
    if (from != kNone) {
        for (i = node.first; i != from; i = members[i].next) {
            if (key_equals(members[i], key)) return hit(i);
        }
    }
    while ((i = discover(node_index)) != kNone) {
        if (key_equals(members_[i], key)) return hit(i);
    }
    return kNone;
}

std::uint32_t JsonTree::element(std::uint32_t node_index, std::uint32_t index) {
    if (!nodes_[node_index].is_array) return kNone;
    while (nodes_[node_index].count <= index) {
        if (discover(node_index) == kNone) return kNone;
    }
    Node& node = nodes_[node_index];
    if (node.cursor != kNone && members_[node.cursor].index + 1 == index) {
        node.cursor = members_[node.cursor].next;
    } else {
        const bool from_cursor = node.cursor != kNone && members_[node.cursor].index >= index;
        node.cursor = find_below(from_cursor ? node.cursor : node.last, index);
    }
    return node.cursor;
}

std::uint32_t JsonTree::count(std::uint32_t node_index) {
    while (discover(node_index) != kNone) {
    }
    return nodes_[node_index].count;
}

std::uint32_t JsonTree::first(std::uint32_t node_index) {
    if (nodes_[node_index].first == kNone) discover(node_index);
    return nodes_[node_index].first;
}

std::uint32_t JsonTree::next(std::uint32_t node_index, std::uint32_t member_index) {
    if (members_[member_index].next == kNone && nodes_[node_index].last == member_index) {
        discover(node_index);
    }
    return members_[member_index].next;
}

std::string_view JsonTree::text(std::uint32_t node_index) const {
    const Node& node = nodes_[node_index];
    const char* end = scan::value_end(node.begin, node.end);
    return {node.begin, static_cast<std::size_t>(end - node.begin)};
}

std::string_view JsonTree::key(const Member& member, std::string& scratch) const {
    if (!member.key_escaped) return {member.key, member.key_bytes};
    scratch.clear();
    append_unescaped(scratch, member.key, member.key + member.key_bytes);
    return scratch;
}

namespace {

unsigned hex4(const char* p) {
    unsigned value = 0;
    for (int i = 0; i < 4; ++i) {
        const char c = p[i];
        unsigned digit = 0;
        if (c >= '0' && c <= '9')
            digit = static_cast<unsigned>(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = static_cast<unsigned>(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = static_cast<unsigned>(c - 'A') + 10;
        value = value * 16 + digit;
    }
    return value;
}

void append_utf8(std::string& out, unsigned code) {
    const auto put = [&](unsigned byte) { out += static_cast<char>(byte); };
    if (code < 0x80) {
        put(code);
    } else if (code < 0x800) {
        put(0xC0 | (code >> 6));
        put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        put(0xE0 | (code >> 12));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
    } else {
        put(0xF0 | (code >> 18));
        put(0x80 | ((code >> 12) & 0x3F));
        put(0x80 | ((code >> 6) & 0x3F));
        put(0x80 | (code & 0x3F));
    }
}

// `p` stands behind "\u"; returns where reading goes on.
const char* append_unicode_escape(std::string& out, const char* p, const char* end) {
    if (end - p < 4) return end;
    unsigned code = hex4(p);
    p += 4;
    if (code >= 0xD800 && code < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        const unsigned low = hex4(p + 2);
        if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            p += 6;
        }
    }
    append_utf8(out, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
    return p;
}

}  // namespace

void append_unescaped(std::string& out, const char* p, const char* end) {
    while (p < end) {
        const void* found = std::memchr(p, '\\', static_cast<std::size_t>(end - p));
        const char* stop = found ? static_cast<const char*>(found) : end;
        out.append(p, stop);
        p = stop;
        if (end - p < 2) return;
        const char c = p[1];
        p += 2;
        switch (c) {
            case 'n': out += '\n'; break;
            case 't': out += '\t'; break;
            case 'r': out += '\r'; break;
            case 'b': out += '\b'; break;
            case 'f': out += '\f'; break;
            case 'u': p = append_unicode_escape(out, p, end); break;
            default: out += c;
        }
    }
}

}  // namespace millrace::runtime
