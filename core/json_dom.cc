#include "core/json_dom.h"

#include "core/json_number.h"
#include "core/json_tokens.h"
#include "core/json_walker.h"

#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

namespace millrace::core {

namespace {

// A reader of longer texts has larger buffers and goes with its document.
constexpr std::size_t kSpareTextBytesMax = 64u << 10;

template <typename Number>
bool whole_number(std::string_view text, Number& out) {
    Number value{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end) return false;
    out = value;
    return true;
}

}  // namespace

// Kept from text to text, and by its thread from document to document: both parts hold buffers, and
// to make them takes as long as to read a small text.
struct JsonDom::Reader {
    JsonTokens tokens;
    JsonWalker walker;

    static std::unique_ptr<Reader> take();
    static void give(std::unique_ptr<Reader> reader);

private:
    static constexpr std::size_t kSparesMax = 4;
    struct Spares {
        ~Spares() { gone_ = true; }
        std::array<std::unique_ptr<Reader>, kSparesMax> readers;
        std::size_t count = 0;
    };
    static thread_local Spares spares_;
    // A document of thread-local storage may end after the spares.
    static thread_local bool gone_;
};

thread_local JsonDom::Reader::Spares JsonDom::Reader::spares_;
thread_local bool JsonDom::Reader::gone_ = false;

std::unique_ptr<JsonDom::Reader> JsonDom::Reader::take() {
    if (gone_ || spares_.count == 0) return std::make_unique<Reader>();
    return std::move(spares_.readers[--spares_.count]);
}

void JsonDom::Reader::give(std::unique_ptr<Reader> reader) {
    if (!gone_ && spares_.count < kSparesMax) spares_.readers[spares_.count++] = std::move(reader);
}

JsonDom::JsonDom() : reader_(Reader::take()) {}

JsonDom::~JsonDom() {
    if (copy_.capacity() <= kSpareTextBytesMax && text_.size() <= kSpareTextBytesMax)
        Reader::give(std::move(reader_));
}

// ---- building

std::uint32_t JsonDom::add(JsonType type, std::uint32_t begin) {
    Node& node = nodes_.emplace_back();
    node.type = type;
    node.begin = begin;
    node.next = static_cast<std::uint32_t>(nodes_.size());
    return node.next - 1;
}

void JsonDom::add_string(const JsonWalker& walker, std::uint32_t begin, std::string_view raw) {
    Node& node = nodes_[add(JsonType::kString, begin)];
    node.bytes = static_cast<std::uint32_t>(raw.size() + 2);
    if (!walker.has_escapes(raw)) return;
    texts_.push_back(JsonWalker::resolve(raw, arena_));
    node.extra = static_cast<std::uint32_t>(texts_.size());
}

bool JsonDom::scalar(JsonWalker& walker, char first) {
    const std::uint32_t begin = walker.position();
    std::string_view text;
    switch (first) {
        case '"':
            if (!walker.string(text)) return false;
            add_string(walker, begin, text);
            return true;
        case 't':
        case 'f':
        case 'n': {
            if (!walker.literal()) return false;
            const JsonType type = first == 't'   ? JsonType::kTrue
                                  : first == 'f' ? JsonType::kFalse
                                                 : JsonType::kNull;
            nodes_[add(type, begin)].bytes = first == 'f' ? 5 : 4;
            return true;
        }
        default:
            if (!is_digit(first) && first != '-')
                return walker.fail_here(JsonFault::kExpectedValue);
            if (!walker.number(text)) return false;
            nodes_[add(JsonType::kNumber, begin)].bytes = static_cast<std::uint32_t>(text.size());
            return true;
    }
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the walker's depth
bool JsonDom::object(JsonWalker& walker) {
    const std::uint32_t node = add(JsonType::kObject, walker.position());
    if (!walker.enter_object()) return false;
    std::uint32_t count = 0;
    for (bool more = !walker.object_is_empty(); more; ++count) {
        const std::uint32_t begin = walker.position();
        const char* quote = walker.base() + begin;
        std::string_view name;
        std::uint64_t hash = 0;
        if (!(checked_ ? walker.known_key(name) : walker.key(name, hash))) return false;
        // With escapes the name is a text of the walker's own; it has been checked already.
        const std::uint32_t key = add(JsonType::kString, begin);
        if (name.data() != quote + 1) {
            char* copy = arena_.reserve(name.size());
            std::memcpy(copy, name.data(), name.size());
            arena_.keep(name.size());
            texts_.emplace_back(copy, name.size());
            nodes_[key].extra = static_cast<std::uint32_t>(texts_.size());
            std::uint32_t end = walker.last_position();  // the ':'
            while (text_[end - 1] != '"') --end;
            nodes_[key].bytes = end - begin;
        } else {
            nodes_[key].bytes = static_cast<std::uint32_t>(name.size() + 2);
        }
        if (!value(walker)) return false;
        if (!walker.more_members(more)) return false;
    }
    nodes_[node].extra = count;
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the walker's depth
bool JsonDom::array(JsonWalker& walker) {
    const std::uint32_t node = add(JsonType::kArray, walker.position());
    if (!walker.enter_array()) return false;
    std::uint32_t count = 0;
    for (bool more = !walker.array_is_empty(); more; ++count) {
        if (!value(walker)) return false;
        if (!walker.more_elements(more)) return false;
    }
    nodes_[node].extra = count;
    return true;
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the walker's depth
bool JsonDom::value(JsonWalker& walker) {
    const char first = walker.peek();
    if (first != '{' && first != '[') return scalar(walker, first);
    const auto node = static_cast<std::uint32_t>(nodes_.size());
    if (!(first == '{' ? object(walker) : array(walker))) return false;
    nodes_[node].bytes = walker.last_position() + 1 - nodes_[node].begin;
    nodes_[node].next = static_cast<std::uint32_t>(nodes_.size());
    return true;
}

Result<JsonElement> JsonDom::parse(std::string_view text, const Options& options) {
    nodes_.clear();
    texts_.clear();
    arena_.clear();
    if (text.size() > options.bytes_max) {
        return fail(Error(ErrorCode::kPayloadTooLarge,
                          "JSON text of " + std::to_string(text.size()) + " bytes exceeds " +
                              std::to_string(options.bytes_max))
                        .bound(static_cast<std::int64_t>(options.bytes_max)));
    }
    // One blank behind the text is where the walker stops at the latest; the rest is padding.
    copy_.clear();
    copy_.reserve(text.size() + kWalkerPaddingBytes);
    copy_.append(text).append(kWalkerPaddingBytes, ' ');
    text_ = copy_;
    JsonTokens& tokens = reader_->tokens;
    JsonWalker& walker = reader_->walker;
    const JsonFault stage = tokens.run(text_.data(), text.size() + 1);
    if (stage != JsonFault::kNone)
        return fail(json_error(stage, find_stage_fault(stage, text), {}));
    walker.clear_arena();
    walker.start(text_.data(), text.size() + 1, tokens.begin(), options.duplicates,
                 static_cast<std::uint32_t>(options.depth_max));
    if (!value(walker)) {
        const std::uint32_t at = walker.fault_at();
        const bool past = at >= text.size();
        Error error = json_error(past ? JsonFault::kTruncated : walker.fault(), at,
                                 past ? std::string_view() : text.substr(at));
        if (!past && walker.fault() == JsonFault::kTooDeep)
            error.limit = static_cast<std::int64_t>(options.depth_max);
        return fail(std::move(error));
    }
    if (walker.token() != tokens.end()) {
        const std::uint32_t at = walker.position();
        return fail(json_error(JsonFault::kTrailing, at, text.substr(at)));
    }
    return JsonElement(this, 0);
}

bool JsonDom::build(const char* base, std::size_t end, const std::uint32_t* token,
                    JsonElement& root) {
    nodes_.clear();
    texts_.clear();
    arena_.clear();
    text_ = {base, end};
    JsonWalker& walker = reader_->walker;
    walker.clear_arena();
    walker.start_inside(base, end, token, static_cast<std::uint32_t>(kJsonDocumentDepthMax));
    checked_ = true;
    const bool built = value(walker);
    checked_ = false;
    if (built) root = JsonElement(this, 0);
    return built;
}

bool JsonDom::read(std::string_view text, JsonElement& root) {
    Options options;
    options.bytes_max = std::numeric_limits<std::uint32_t>::max() / 2;
    auto parsed = parse(text, options);
    if (parsed) root = *parsed;
    return parsed.has_value();
}

std::string_view JsonDom::text_of(const Node& node) const {
    if (node.extra != 0) return texts_[node.extra - 1];
    return text_.substr(node.begin + 1, node.bytes - 2);
}

// ---- reading

JsonType JsonElement::type() const { return dom_ ? dom_->nodes_[node_].type : JsonType::kNull; }

std::string_view JsonElement::raw() const {
    if (!dom_) return "null";
    const auto& node = dom_->nodes_[node_];
    return dom_->text_.substr(node.begin, node.bytes);
}

bool JsonElement::get(std::string_view& out) const {
    if (type() != JsonType::kString) return false;
    out = dom_->text_of(dom_->nodes_[node_]);
    return true;
}

bool JsonElement::get(bool& out) const {
    if (type() != JsonType::kTrue && type() != JsonType::kFalse) return false;
    out = type() == JsonType::kTrue;
    return true;
}

bool JsonElement::get(std::int64_t& out) const { return is_number() && whole_number(raw(), out); }
bool JsonElement::get(std::uint64_t& out) const { return is_number() && whole_number(raw(), out); }

bool JsonElement::get(double& out) const {
    if (!is_number()) return false;
    const std::string_view text = raw();
    out = decode_number(text.data(), text.data() + text.size()).approx;
    return true;
}

bool JsonElement::get(JsonArray& out) const {
    if (!is_array()) return false;
    out = JsonArray(*this);
    return true;
}

bool JsonElement::get(JsonMembers& out) const {
    if (!is_object()) return false;
    out = JsonMembers(*this);
    return true;
}

bool JsonElement::find(std::string_view name, JsonElement& out) const {
    if (!is_object()) return false;
    for (const JsonMember member : JsonMembers(*this)) {
        if (member.key != name) continue;
        out = member.value;
        return true;
    }
    return false;
}

JsonArray::Iterator& JsonArray::Iterator::operator++() {
    node_ = dom_->nodes_[node_].next;
    return *this;
}
JsonArray::Iterator JsonArray::begin() const { return {array_.dom_, array_.node_ + 1}; }
JsonArray::Iterator JsonArray::end() const {
    return {array_.dom_, array_.dom_ ? array_.dom_->nodes_[array_.node_].next : array_.node_ + 1};
}
std::size_t JsonArray::size() const {
    return array_.dom_ ? array_.dom_->nodes_[array_.node_].extra : 0;
}

JsonMember JsonMembers::Iterator::operator*() const {
    return {dom_->text_of(dom_->nodes_[node_]), JsonElement(dom_, node_).raw(),
            JsonElement(dom_, node_ + 1)};
}
JsonMembers::Iterator& JsonMembers::Iterator::operator++() {
    node_ = dom_->nodes_[node_ + 1].next;
    return *this;
}
JsonMembers::Iterator JsonMembers::begin() const { return {object_.dom_, object_.node_ + 1}; }
JsonMembers::Iterator JsonMembers::end() const {
    return {object_.dom_,
            object_.dom_ ? object_.dom_->nodes_[object_.node_].next : object_.node_ + 1};
}
std::size_t JsonMembers::size() const {
    return object_.dom_ ? object_.dom_->nodes_[object_.node_].extra : 0;
}

std::string_view json_type_text(JsonElement element) {
    switch (element.type()) {
        case JsonType::kArray: return "an array";
        case JsonType::kObject: return "an object";
        case JsonType::kNumber: return "a number";
        case JsonType::kString: return "a string";
        case JsonType::kTrue:
        case JsonType::kFalse: return "a boolean";
        case JsonType::kNull: return "null";
    }
    return "unknown";
}

void append_json(std::string& out, JsonElement element) {
    JsonArray items;
    JsonMembers members;
    bool first = true;
    if (element.get(items)) {
        out += '[';
        for (const JsonElement item : items) {
            if (!std::exchange(first, false)) out += ',';
            append_json(out, item);  // NOLINT(misc-no-recursion): bounded by the document's depth
        }
        out += ']';
    } else if (element.get(members)) {
        out += '{';
        for (const JsonMember member : members) {
            if (!std::exchange(first, false)) out += ',';
            out += member.raw_key;
            out += ':';
            append_json(out, member.value);
        }
        out += '}';
    } else {
        out += element.raw();
    }
}

}  // namespace millrace::core
