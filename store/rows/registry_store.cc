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

core::Status RegistryStore::get_many(std::string_view kind, std::span<const std::string_view> ids,
                                     const VisitOne& visit) {
    constexpr std::size_t kAtOnce = 256;
    std::string text;
    std::vector<rocksdb::Slice> keys(std::min(kAtOnce, ids.size()));
    std::vector<rocksdb::PinnableSlice> values(keys.size());
    std::vector<rocksdb::Status> found(keys.size());
    RegistryDocumentView document;
    for (std::size_t begin = 0; begin < ids.size(); begin += kAtOnce) {
        const std::size_t count = std::min(kAtOnce, ids.size() - begin);
        text.clear();
        for (std::size_t i = 0; i < count; ++i) text.append(named_key(kind, ids[begin + i]));
        std::size_t at = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t bytes = kind.size() + 1 + ids[begin + i].size();
            keys[i] = {text.data() + at, bytes};
            at += bytes;
        }
        engine_.db().MultiGet(rocksdb::ReadOptions(), engine_.family(ColumnFamily::kRegistry),
                              count, keys.data(), values.data(), found.data());
        for (std::size_t i = 0; i < count; ++i) {
            const rocksdb::Status& status = found[i];
            if (!status.ok() && !status.IsNotFound())
                return core::fail(rocks_error("read registry", status));
            if (status.ok() && take(view(keys[i]), view(values[i]), kind.size() + 1, document))
                visit(begin + i, document);
            values[i].Reset();
        }
    }
    return {};
}

core::Result<std::vector<RegistryDocument>> RegistryStore::load_all(std::string_view kind) {
    return list(kind, {}, {}, std::numeric_limits<std::size_t>::max());
}

// False: it does not read, and is set aside. `room` bytes of the key are its kind.
bool RegistryStore::take(std::string_view key, std::string_view value, std::size_t room,
                         RegistryDocumentView& out) {
    RegistryRow row;
    if (!decode_registry(value, row)) {
        engine_.quarantine.set_aside(ColumnFamily::kRegistry, key, "its value does not read");
        return false;
    }
    out = {key.substr(room), row.version, row.updated_at_us, row.json};
    return true;
}

core::Status RegistryStore::each(std::string_view kind, const Visit& visit) {
    const std::string room = named_key(kind, {});
    const auto rows = engine_.iterate(ColumnFamily::kRegistry);
    RegistryDocumentView document;
    for (rows->Seek(room); rows->Valid() && view(rows->key()).starts_with(room); rows->Next()) {
        if (take(view(rows->key()), view(rows->value()), room.size(), document)) visit(document);
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read registry", rows->status()));
    return {};
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
        if (view(rows->key()).substr(room.size()) == after) continue;
        RegistryDocumentView document;
        if (!take(view(rows->key()), view(rows->value()), room.size(), document)) continue;
        out.push_back({std::string(document.id), document.version, document.updated_at_us,
                       std::string(document.json)});
    }
    if (!rows->status().ok()) return core::fail(rocks_error("read registry", rows->status()));
    return out;
}

}  // namespace millrace::store
