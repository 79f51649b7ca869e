#include "store/rows/registry_store.h"

#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/row_codec.h"

#include <algorithm>
#include <limits>

namespace millrace::store {
namespace {

bool read_document(std::string_view id, std::string_view value, RegistryDocument& out) {
    RegistryRow row;
    if (!decode_registry(value, row)) return false;
    out = {std::string(id), row.version, row.updated_at_us, std::string(row.json)};
    return true;
}

}  // namespace

core::Result<std::optional<RegistryDocument>> RegistryStore::get(std::string_view kind,
                                                                 std::string_view id) {
    rocksdb::PinnableSlice value;
    const std::string key = named_key(kind, id);
    auto there = engine_.get(ColumnFamily::kRegistry, key, value);
    if (!there) return core::fail(std::move(there.error()));
    if (!*there) return std::nullopt;
    RegistryDocument out;
    if (!read_document(id, view(value), out)) {
        engine_.quarantine.set_aside(ColumnFamily::kRegistry, key, "its value does not read");
        return std::nullopt;
    }
    return std::optional<RegistryDocument>(std::move(out));
}

core::Result<std::vector<RegistryDocument>> RegistryStore::load_all(std::string_view kind) {
    return list(kind, {}, {}, std::numeric_limits<std::size_t>::max());
}

core::Result<std::vector<RegistryDocument>> RegistryStore::list(std::string_view kind,
                                                                std::string_view id_prefix,
                                                                std::string_view after,
                                                                std::size_t limit) {
    std::vector<RegistryDocument> out;
    const std::string room = named_key(kind, {});
    const std::string prefix = room + std::string(id_prefix);
    const auto rows = engine_.iterate(ColumnFamily::kRegistry);
    rows->Seek(after.empty() ? prefix : std::max(prefix, room + std::string(after)));
    for (; rows->Valid() && view(rows->key()).starts_with(prefix) && out.size() < limit;
         rows->Next()) {
        const std::string_view id = view(rows->key()).substr(room.size());
        if (id == after) continue;
        if (!read_document(id, view(rows->value()), out.emplace_back())) {
            out.pop_back();
            engine_.quarantine.set_aside(ColumnFamily::kRegistry, view(rows->key()),
                                         "its value does not read");
        }
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read registry", rows->status()));
    return out;
}

}  // namespace millrace::store
