// What: the texts a schema is made of: its own, those it refers to, and in each the places that
//       $id, $anchor and pointers name.
// Threads: one owner. Lifetime: the texts move into the program.
// Limits: kSchemaDepthMax levels of subschemas, kDocumentsMax texts.
// Failure: kValidation errors that name the place in the schema.
#pragma once

#include "core/json_dom.h"
#include "core/result.h"
#include "runtime/schema/program.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::schema {

inline constexpr std::size_t kDocumentsMax = 64;

// The text of a schema by its URI without fragment; nullopt: there is none.
using Resolver = std::function<std::optional<std::string>(std::string_view uri)>;

enum class Dialect : std::uint8_t { kDraft7, kDraft2020 };

struct Place {
    std::uint32_t resource = 0;
    std::string pointer;  // in the resource
    core::JsonElement element;
};

// What one $id stands for.
struct Resource {
    std::string uri;
    core::JsonElement root;
    Dialect dialect = Dialect::kDraft2020;
    bool asserts = true;  // its vocabulary has the keywords of validation
    std::map<std::string, Place, std::less<>> anchors;
    std::set<std::string, std::less<>> dynamic;  // those of them that are dynamic
};

class SchemaSources {
public:
    SchemaSources(Resolver resolver, Dialect dialect)
        : resolver_(std::move(resolver)), dialect_(dialect) {}

    // Reads a text; its root is the place of `uri`.
    core::Result<Place> add(std::string_view text, const std::string& uri);
    // What `reference` means in a resource. Reads further texts where it has to.
    core::Result<Place> find(std::uint32_t from, std::string_view reference);
    const Resource& resource(std::uint32_t number) const { return resources_[number]; }
    std::size_t resources() const { return resources_.size(); }
    std::vector<std::unique_ptr<core::JsonDom>>& texts() { return texts_; }

private:
    core::Status index(const Place& place, std::size_t depth);
    core::Status index_keywords(const Place& place, std::size_t depth);
    core::Result<std::uint32_t> open_resource(const Place& place, std::string uri);
    core::Status read_dialect(Resource& resource);
    core::Result<Place> walk(Place place, std::string_view pointer) const;

    const Resolver resolver_;
    const Dialect dialect_;
    std::vector<std::unique_ptr<core::JsonDom>> texts_;
    std::vector<Resource> resources_;
    std::map<std::string, std::uint32_t, std::less<>> by_uri_;
    // Where a resource stands inside another one.
    std::map<std::pair<std::uint32_t, std::string>, std::uint32_t> embedded_;
};

// One more name behind a pointer.
std::string child_pointer(std::string_view pointer, std::string_view name);

tl::unexpected<core::Error> bad_schema(std::string_view pointer, std::string_view what);

// The meta-schemas of both drafts; nullopt: it is none of them.
std::optional<std::string_view> meta_schema(std::string_view uri);

}  // namespace millrace::runtime::schema
