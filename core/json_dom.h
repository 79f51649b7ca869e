// What: a whole JSON text as a flat tree that keeps every value's own text: numbers of any size
//       come out digit for digit, as they stood. What it takes is what the event parser takes: it
//       walks with the same walker.
//           JsonDom dom;
//           auto root = dom.parse(body);                            // Result<JsonElement>
//           root->find("priority", element) && element.get(number);
// Threads: one owner; reading a parsed document from several threads at once is fine.
// Lifetime: elements and texts live until the next parse() or the document's end.
// Limits: kBodyBytesMax bytes (or what is asked for), Options::depth_max.
// Failure: Error{kValidation} with the byte position; get() and find() answer false.
#pragma once

#include "core/json_faults.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/text_arena.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::core {

enum class JsonType : std::uint8_t { kNull, kFalse, kTrue, kNumber, kString, kArray, kObject };

class JsonWalker;
class JsonDom;
class JsonArray;
class JsonMembers;

class JsonElement {
public:
    JsonElement() = default;  // null
    JsonElement(const JsonDom* dom, std::uint32_t node) : dom_(dom), node_(node) {}

    JsonType type() const;
    bool is_null() const { return type() == JsonType::kNull; }
    bool is_object() const { return type() == JsonType::kObject; }
    bool is_array() const { return type() == JsonType::kArray; }
    bool is_number() const { return type() == JsonType::kNumber; }
    // The value's text as it stands in the document.
    std::string_view raw() const;

    // Each leaves `out` alone and answers false when the value is of another kind.
    bool get(std::string_view& out) const;
    bool get(bool& out) const;
    // Written without point and exponent, and in range.
    bool get(std::int64_t& out) const;
    bool get(std::uint64_t& out) const;
    // Any number: the nearest double; beyond their range an infinity.
    bool get(double& out) const;
    bool get(JsonArray& out) const;
    bool get(JsonMembers& out) const;
    // A member of an object.
    bool find(std::string_view name, JsonElement& out) const;

private:
    friend class JsonArray;
    friend class JsonMembers;
    const JsonDom* dom_ = nullptr;
    std::uint32_t node_ = 0;
};

struct JsonMember {
    std::string_view key;
    std::string_view raw_key;  // as it stands, with its quotes
    JsonElement value;
};

// The elements of an array: for (const JsonElement item : array).
class JsonArray {
public:
    class Iterator {
    public:
        Iterator(const JsonDom* dom, std::uint32_t node) : dom_(dom), node_(node) {}
        JsonElement operator*() const { return {dom_, node_}; }
        Iterator& operator++();
        bool operator!=(const Iterator& other) const { return node_ != other.node_; }

    private:
        const JsonDom* dom_;
        std::uint32_t node_;
    };
    JsonArray() = default;
    explicit JsonArray(const JsonElement& array) : array_(array) {}
    Iterator begin() const;
    Iterator end() const;
    std::size_t size() const;

private:
    JsonElement array_;
};

// The members of an object, in the order of the text: for (const JsonMember member : members).
class JsonMembers {
public:
    class Iterator {
    public:
        Iterator(const JsonDom* dom, std::uint32_t node) : dom_(dom), node_(node) {}
        JsonMember operator*() const;
        Iterator& operator++();
        bool operator!=(const Iterator& other) const { return node_ != other.node_; }

    private:
        const JsonDom* dom_;
        std::uint32_t node_;  // of the key; its value is the next one
    };
    JsonMembers() = default;
    explicit JsonMembers(const JsonElement& object) : object_(object) {}
    Iterator begin() const;
    Iterator end() const;
    std::size_t size() const;
    bool find(std::string_view name, JsonElement& out) const { return object_.find(name, out); }

private:
    JsonElement object_;
};

class JsonDom {
public:
    struct Options {
        DuplicateKeys duplicates = DuplicateKeys::kAllow;
        // Documents of ours hold whole events, which may be kJsonDepthMax deep themselves.
        std::size_t depth_max = kJsonDocumentDepthMax;
        std::size_t bytes_max = kBodyBytesMax;
    };

    JsonDom();
    ~JsonDom();
    JsonDom(const JsonDom&) = delete;
    JsonDom& operator=(const JsonDom&) = delete;

    // Keeps a copy of the text.
    Result<JsonElement> parse(std::string_view text, const Options& options);
    Result<JsonElement> parse(std::string_view text) { return parse(text, Options()); }
    // The value at a token of a text that has been read and checked, as far as `end`: nothing of it
    // is looked at again. It stays where it is: elements are views into it. False: it is none.
    bool build(const char* base, std::size_t end, const std::uint32_t* token, JsonElement& root);
    // For those who only ask whether it could be read; a text of any size.
    bool read(std::string_view text, JsonElement& root);

private:
    friend class JsonElement;
    friend class JsonArray;
    friend class JsonMembers;
    struct Node {
        std::uint32_t begin = 0;  // in text_
        std::uint32_t bytes = 0;
        std::uint32_t next = 0;   // the node behind this value and all it holds
        std::uint32_t extra = 0;  // count of a container; of a string with escapes: 1 + its text
        JsonType type = JsonType::kNull;
    };
    bool value(JsonWalker& walker);
    bool object(JsonWalker& walker);
    bool array(JsonWalker& walker);
    bool scalar(JsonWalker& walker, char first);
    std::uint32_t add(JsonType type, std::uint32_t begin);
    void add_string(const JsonWalker& walker, std::uint32_t begin, std::string_view raw);
    std::string_view text_of(const Node& node) const;

    struct Reader;
    std::unique_ptr<Reader> reader_;
    std::string copy_;       // of a text that was given to parse()
    std::string_view text_;  // that, or somebody else's
    bool checked_ = false;   // the text that is being built from was read before
    std::vector<Node> nodes_;
    std::vector<std::string_view> texts_;
    TextArena arena_;
};

// "a string", "an object": how errors name the kind of a value.
std::string_view json_type_text(JsonElement element);

// Appends a value as compact JSON: its own tokens without the blanks between them.
void append_json(std::string& out, JsonElement element);

}  // namespace millrace::core
