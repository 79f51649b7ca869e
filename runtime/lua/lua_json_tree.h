// What: the lazily discovered structure of the JSON texts of one run. Each object or array that was
//       touched is a node; its members are found in text order, only as far as someone asked.
// Threads: one owner. Lifetime: points into texts that outlive the run; reset() forgets all.
// Limits: one member record per member that was passed on the way. An element that was passed is
//       found again in O(log n), its neighbours at once.
// Failure: a lookup answers kNone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

class JsonTree {
public:
    static constexpr std::uint32_t kNone = 0xffffffffu;

    // Where an element of an array stands, in place of a key: its neighbour below, and one further
    // down, so that a walk to any place below takes O(log n) steps (E. Myers, "An applicative
    // random-access stack", 1983).
    struct Place {
        std::uint32_t before;
        std::uint32_t jump;
    };
    struct Member {
        union {
            const char* key = nullptr;  // of an object's: raw, between the quotes
            Place place;                // of an array's
        };
        const char* value = nullptr;  // its first byte
        union {
            std::uint32_t key_bytes = 0;
            std::uint32_t index;  // of an array's, from 0
        };
        std::uint32_t next = kNone;
        std::uint32_t node = kNone;  // of the value, once it was touched
        bool key_escaped = false;
    };
    struct Node {
        const char* begin = nullptr;  // the bracket
        const char* end = nullptr;    // of the text it lies in
        const char* scan = nullptr;   // where discovery goes on
        std::uint32_t first = kNone;
        std::uint32_t last = kNone;
        std::uint32_t cursor = kNone;  // where the last lookup hit
        std::uint32_t count = 0;       // members found so far
        std::uint32_t depth = 1;  // of the text's levels, its own included; 1 where nobody knows
        bool is_array = false;
        bool complete = false;
    };

    void reset() {
        nodes_.clear();
        members_.clear();
        if (members_.capacity() == 0) reserve();
    }
    // The value at `begin` must be an object or an array; else kNone.
    std::uint32_t add_node(const char* begin, const char* end, std::uint32_t depth = 1);
    // The node of a member's value; `parent` is the member's own.
    std::uint32_t node_of(std::uint32_t member_index, std::uint32_t parent);

    std::uint32_t find(std::uint32_t node_index, std::string_view key);
    std::uint32_t element(std::uint32_t node_index, std::uint32_t index_from_0);
    std::uint32_t count(std::uint32_t node_index);  // discovers all
    std::uint32_t first(std::uint32_t node_index);
    std::uint32_t next(std::uint32_t node_index, std::uint32_t member_index);

    const Node& node(std::uint32_t index) const { return nodes_[index]; }
    const Member& member(std::uint32_t index) const { return members_[index]; }
    std::size_t nodes() const { return nodes_.size(); }
    // A copy of it takes no longer than what it was made for.
    bool is_small() const { return nodes_.size() <= kNodesHeld && members_.size() <= kMembersHeld; }
    // Raw text of the whole object or array.
    std::string_view text(std::uint32_t node_index) const;
    // The key as text: a slice, or `scratch` when it had escapes.
    std::string_view key(const Member& member, std::string& scratch) const;

private:
    static constexpr std::size_t kNodesHeld = 64;
    static constexpr std::size_t kMembersHeld = 256;
    void reserve() {
        nodes_.reserve(kNodesHeld);
        members_.reserve(kMembersHeld);
    }
    std::uint32_t discover(std::uint32_t node_index);
    void set_place(std::uint32_t member_index, std::uint32_t before);
    std::uint32_t find_below(std::uint32_t member_index, std::uint32_t index) const;
    bool key_equals(const Member& member, std::string_view key);

    std::vector<Node> nodes_;
    std::vector<Member> members_;
    std::string scratch_;
};

// Appends what a JSON string's inside (between the quotes) means. Lone surrogates become U+FFFD.
void append_unescaped(std::string& out, const char* p, const char* end);

}  // namespace millrace::runtime
