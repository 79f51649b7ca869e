#include "store/registry_store.h"

#include "store/engine.h"
#include "store/keys.h"
#include "store/row_codec.h"

namespace millrace::store {
namespace {

bool read_document(std::string_view id, std::string_view value, RegistryDocument& out) {
    RegistryRow row;
    if (!decode_registry(value, row)) return false;
    out = {std::string(id), row.version, row.updated_at_us, std::string(row.json)};
    return true;
}

tl::unexpected<core::Error> damaged(std::string_view kind, std::string_view id) {
    return core::fail(core::ErrorCode::kInternal, "store: read registry kind=" + std::string(kind) +
                                                      " id=" + std::string(id) +
                                                      " failed: its row is damaged");
}

}  // namespace

core::Result<std::optional<RegistryDocument>> RegistryStore::get(std::string_view kind,
                                                                 std::string_view id) {
    rocksdb::PinnableSlice value;
    auto there = engine_.get(ColumnFamily::kRegistry, named_key(kind, id), value);
    if (!there) return core::fail(std::move(there.error()));
    if (!*there) return std::nullopt;
    RegistryDocument out;
    if (!read_document(id, view(value), out)) return damaged(kind, id);
    return std::optional<RegistryDocument>(std::move(out));
}

core::Result<std::vector<RegistryDocument>> RegistryStore::load_all(std::string_view kind) {
    std::vector<RegistryDocument> out;
    const std::string prefix = named_key(kind, {});
    const auto rows = engine_.iterate(ColumnFamily::kRegistry);
    for (rows->Seek(prefix); rows->Valid() && view(rows->key()).starts_with(prefix); rows->Next()) {
        const std::string_view id = view(rows->key()).substr(prefix.size());
        if (!read_document(id, view(rows->value()), out.emplace_back())) return damaged(kind, id);
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read registry", rows->status()));
    return out;
}

}  // namespace millrace::store
