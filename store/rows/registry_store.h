// What: what people have registered (subscriptions, scripts, schedules, keys, replays, ...) as
//       versioned JSON documents, by kind and id. Written with
//       RowBatch::put_registry/erase_registry.
// Threads: any, at once. Lifetime: the Database outlives it.
// Limits: no 0x00 in kind or id. Failure: Errors from the disk.
#pragma once

#include "core/result.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {

class Engine;

struct RegistryDocument {
    std::string id;
    std::uint64_t version = 0;
    std::int64_t updated_at_us = 0;
    std::string json;
};

struct RegistryDocumentView {
    std::string_view id;
    std::uint64_t version = 0;
    std::int64_t updated_at_us = 0;
    std::string_view json;
};

class RegistryStore {
public:
    explicit RegistryStore(Engine& engine) : engine_(engine) {}

    core::Result<std::optional<RegistryDocument>> get(std::string_view kind, std::string_view id);
    // Of many, found together: `visit` gets the place in `ids` of each that there is. What it is
    // shown lives until it returns.
    using VisitOne = std::function<void(std::size_t place, const RegistryDocumentView&)>;
    core::Status get_many(std::string_view kind, std::span<const std::string_view> ids,
                          const VisitOne& visit);
    // In id order.
    core::Result<std::vector<RegistryDocument>> load_all(std::string_view kind);
    // The same one by one; what is visited lives until `visit` returns.
    using Visit = std::function<void(const RegistryDocumentView&)>;
    core::Status each(std::string_view kind, const Visit& visit);
    // At most `limit` of those whose id begins with `id_prefix`, behind `after`, in id order.
    core::Result<std::vector<RegistryDocument>> list(std::string_view kind,
                                                     std::string_view id_prefix,
                                                     std::string_view after, std::size_t limit);

private:
    bool take(std::string_view key, std::string_view value, std::size_t room,
              RegistryDocumentView& out);
    Engine& engine_;
};

}  // namespace millrace::store
