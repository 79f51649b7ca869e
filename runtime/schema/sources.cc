#include "runtime/schema/sources.h"

#include "runtime/schema/uri.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace millrace::runtime::schema {

namespace {

using core::JsonElement;

constexpr std::string_view kDraft7Uri = "http://json-schema.org/draft-07/schema";
constexpr std::string_view kDraft2020Uri = "https://json-schema.org/draft/2020-12/schema";
constexpr std::string_view kValidationVocabulary =
    "https://json-schema.org/draft/2020-12/vocab/validation";

constexpr std::array kOneSchema = {std::string_view("not"),
                                   std::string_view("if"),
                                   std::string_view("then"),
                                   std::string_view("else"),
                                   std::string_view("contains"),
                                   std::string_view("additionalProperties"),
                                   std::string_view("propertyNames"),
                                   std::string_view("items"),
                                   std::string_view("additionalItems"),
                                   std::string_view("unevaluatedItems"),
                                   std::string_view("unevaluatedProperties"),
                                   std::string_view("contentSchema")};
constexpr std::array kMapsOfSchemas = {std::string_view("properties"),
                                       std::string_view("patternProperties"),
                                       std::string_view("$defs"),
                                       std::string_view("definitions"),
                                       std::string_view("dependentSchemas"),
                                       std::string_view("dependencies")};
constexpr std::array kListsOfSchemas = {std::string_view("allOf"), std::string_view("anyOf"),
                                        std::string_view("oneOf"), std::string_view("items"),
                                        std::string_view("prefixItems")};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool find_text(JsonElement object, std::string_view name, std::string_view& out) {
    JsonElement member;
    return object.is_object() && object.find(name, member) && member.get(out);
}

bool is_schema(JsonElement element) {
    bool flag = false;
    return element.is_object() || element.get(flag);
}

// What of a pointer stands between two slashes.
std::string unescaped(std::string_view token) {
    std::string out;
    for (std::size_t i = 0; i < token.size(); ++i) {
        const bool escape = token[i] == '~' && i + 1 < token.size();
        if (escape && (token[i + 1] == '0' || token[i + 1] == '1'))
            out += token[++i] == '0' ? '~' : '/';
        else
            out += token[i];
    }
    return out;
}

bool step(JsonElement element, const std::string& token, JsonElement& out) {
    if (element.is_object()) return element.find(token, out);
    core::JsonArray array;
    std::size_t wanted = 0;
    const auto read = std::from_chars(token.data(), token.data() + token.size(), wanted);
    if (!element.get(array) || read.ec != std::errc() || read.ptr != token.data() + token.size())
        return false;
    for (const JsonElement item : array) {
        if (wanted-- == 0) {
            out = item;
            return true;
        }
    }
    return false;
}

}  // namespace

std::string child_pointer(std::string_view pointer, std::string_view name) {
    std::string out(pointer);
    out += '/';
    for (const char c : name) {
        if (c == '~')
            out += "~0";
        else if (c == '/')
            out += "~1";
        else
            out += c;
    }
    return out;
}

tl::unexpected<core::Error> bad_schema(std::string_view pointer, std::string_view what) {
    return core::fail(
        core::Error(core::ErrorCode::kValidation,
                    "schema: at \"" + std::string(pointer) + "\" " + std::string(what))
            .in("schema" + std::string(pointer)));
}

core::Result<Place> SchemaSources::add(std::string_view text, const std::string& uri) {
    if (text.size() > kSchemaBytesMax)
        return core::fail(core::Error(core::ErrorCode::kPayloadTooLarge,
                                      "schema: " + std::to_string(text.size()) +
                                          " bytes are more than the " +
                                          std::to_string(kSchemaBytesMax) + " that it may have")
                              .in("schema")
                              .bound(kSchemaBytesMax));
    if (texts_.size() == kDocumentsMax)
        return bad_schema("", "it refers to more than 64 other schemas");
    auto dom = std::make_unique<core::JsonDom>();
    auto root = dom->parse(text, {.duplicates = core::DuplicateKeys::kRefuse});
    if (!root) return core::fail(std::move(std::move(root.error()).in("schema")));
    texts_.push_back(std::move(dom));
    if (!is_schema(*root)) return bad_schema("", "stands neither an object nor true or false");
    const Place place{0, "", *root};
    std::string_view id;
    const std::string own = find_text(*root, "$id", id) && !id.starts_with('#')
                                ? cut_uri(resolve_uri(uri, id)).base
                                : uri;
    auto opened = open_resource(place, own);
    if (!opened) return core::fail(opened.error());
    by_uri_.emplace(uri, *opened);
    Place top{*opened, "", *root};
    if (auto indexed = index_keywords(top, 0); !indexed) return core::fail(indexed.error());
    return top;
}

core::Result<std::uint32_t> SchemaSources::open_resource(const Place& place, std::string uri) {
    const auto number = static_cast<std::uint32_t>(resources_.size());
    Resource resource{
        .uri = uri, .root = place.element, .dialect = dialect_, .anchors = {}, .dynamic = {}};
    if (!resources_.empty() && place.resource < resources_.size() && !place.pointer.empty()) {
        resource.dialect = resources_[place.resource].dialect;
        resource.asserts = resources_[place.resource].asserts;
    }
    if (auto read = read_dialect(resource); !read) return core::fail(read.error());
    resources_.push_back(std::move(resource));
    by_uri_.emplace(std::move(uri), number);
    return number;
}

core::Status SchemaSources::read_dialect(Resource& resource) {
    std::string_view named;
    if (!find_text(resource.root, "$schema", named)) return {};
    const std::string uri = cut_uri(named).base;
    if (uri == kDraft7Uri || uri == "https://json-schema.org/draft-07/schema") {
        resource.dialect = Dialect::kDraft7;
        return {};
    }
    resource.dialect = Dialect::kDraft2020;
    if (uri == kDraft2020Uri) return {};
    const auto text = resolver_ ? resolver_(uri) : std::nullopt;
    core::JsonDom dom;
    const auto root = text ? dom.parse(*text) : core::Result<JsonElement>(JsonElement());
    JsonElement vocabulary, validation;
    if (!text || !root || !root->is_object())
        return bad_schema("/$schema", "\"" + std::string(named.substr(0, 128)) +
                                          "\" is neither draft 7 nor 2020-12");
    std::string_view above;
    if (find_text(*root, "$schema", above) && cut_uri(above).base == kDraft7Uri)
        resource.dialect = Dialect::kDraft7;
    if (root->find("$vocabulary", vocabulary) && vocabulary.is_object())
        resource.asserts = vocabulary.find(kValidationVocabulary, validation);
    return {};
}

// A subschema: whether a resource begins here, and what is named here.
core::Status SchemaSources::index(const Place& place, std::size_t depth) {
    if (depth > kSchemaDepthMax) return bad_schema(place.pointer, "it is more than 32 levels deep");
    if (!place.element.is_object()) return {};
    const Resource& around = resources_[place.resource];
    std::string_view id;
    JsonElement reference;
    const bool hidden = around.dialect == Dialect::kDraft7 && place.element.find("$ref", reference);
    if (!hidden && find_text(place.element, "$id", id) && !id.starts_with('#')) {
        const std::string uri = cut_uri(resolve_uri(around.uri, id)).base;
        if (by_uri_.contains(uri))
            return bad_schema(place.pointer, "the $id \"" + uri + "\" is there twice");
        auto opened = open_resource(place, uri);
        if (!opened) return core::fail(opened.error());
        embedded_[{place.resource, place.pointer}] = *opened;
        return index_keywords({*opened, "", place.element}, depth);
    }
    return index_keywords(place, depth);
}

core::Status SchemaSources::index_keywords(const Place& place, std::size_t depth) {
    if (!place.element.is_object()) return {};
    const auto down = [&](std::string pointer, JsonElement element) {
        return is_schema(element) ? index({place.resource, std::move(pointer), element}, depth + 1)
                                  : core::Status{};
    };
    const auto anchor = [&](std::string_view name, bool dynamic) {
        Resource& resource = resources_[place.resource];
        resource.anchors.emplace(std::string(name), place);
        if (dynamic) resource.dynamic.emplace(name);
    };
    std::string_view name;
    if (resources_[place.resource].dialect == Dialect::kDraft7) {
        if (find_text(place.element, "$id", name) && name.starts_with('#'))
            anchor(name.substr(1), false);
    } else {
        if (find_text(place.element, "$anchor", name)) anchor(name, false);
        if (find_text(place.element, "$dynamicAnchor", name)) anchor(name, true);
    }
    for (const core::JsonMember member : core::JsonMembers(place.element)) {
        const std::string pointer = child_pointer(place.pointer, member.key);
        core::JsonMembers members;
        core::JsonArray array;
        if (is_one_of(kOneSchema, member.key) && is_schema(member.value)) {
            if (auto done = down(pointer, member.value); !done) return done;
        } else if (is_one_of(kMapsOfSchemas, member.key) && member.value.get(members)) {
            for (const core::JsonMember one : members) {
                if (auto done = down(child_pointer(pointer, one.key), one.value); !done)
                    return done;
            }
        } else if (is_one_of(kListsOfSchemas, member.key) && member.value.get(array)) {
            std::size_t number = 0;
            for (const JsonElement item : array) {
                if (auto done = down(pointer + "/" + std::to_string(number++), item); !done)
                    return done;
            }
        }
    }
    return {};
}

core::Result<Place> SchemaSources::walk(Place place, std::string_view pointer) const {
    while (!pointer.empty()) {
        pointer.remove_prefix(1);
        const std::string_view token = pointer.substr(0, pointer.find('/'));
        pointer.remove_prefix(token.size());
        JsonElement next;
        const std::string name = unescaped(token);
        if (!step(place.element, name, next))
            return bad_schema(child_pointer(place.pointer, name), "is nothing");
        place.pointer = child_pointer(place.pointer, name);
        place.element = next;
        const auto inner = embedded_.find({place.resource, place.pointer});
        if (inner != embedded_.end()) place = {inner->second, "", next};
    }
    return place;
}

core::Result<Place> SchemaSources::find(std::uint32_t from, std::string_view reference) {
    const CutUri wanted = cut_uri(resolve_uri(resources_[from].uri, reference));
    auto found = by_uri_.find(wanted.base);
    if (found == by_uri_.end()) {
        auto text = resolver_ ? resolver_(wanted.base) : std::nullopt;
        if (const auto built_in = meta_schema(wanted.base)) text = std::string(*built_in);
        if (!text)
            return bad_schema("", "the $ref \"" + std::string(reference.substr(0, 256)) +
                                      "\" names a schema that is not known here");
        auto added = add(*text, wanted.base);
        if (!added) return core::fail(added.error());
        found = by_uri_.find(wanted.base);
    }
    Place root{found->second, "", resources_[found->second].root};
    if (wanted.fragment.empty()) return root;
    if (wanted.fragment.front() == '/') {
        auto place = walk(root, wanted.fragment);
        if (!place || is_schema(place->element)) return place;
        return bad_schema(place->pointer, "stands no schema, and a $ref points there");
    }
    const auto& anchors = resources_[found->second].anchors;
    const auto anchor = anchors.find(wanted.fragment);
    if (anchor == anchors.end())
        return bad_schema("", "the $ref \"" + std::string(reference.substr(0, 256)) +
                                  "\" names an anchor that is not there");
    return anchor->second;
}

}  // namespace millrace::runtime::schema
