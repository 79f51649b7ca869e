#include "runtime/registry/state_book.h"

#include "core/hex.h"
#include "core/json_dom.h"
#include "core/json_writer.h"
#include "runtime/schema/transition.h"
#include "store/database.h"
#include "store/rows/registry_store.h"
#include "store/rows/row_batch.h"

#include <utility>

namespace millrace::runtime {

namespace {

std::string schema_prefix(core::TenantId tenant, SchemaNumber schema) {
    return std::to_string(tenant.value) + "/" + std::to_string(schema.value) + "/";
}

void append_row_id(std::string& out, const StateKey& key, std::size_t shard) {
    core::append_number(out, key.tenant.value);
    out += '/';
    core::append_number(out, key.schema.value);
    out += '/';
    core::append_hex(out, key.transition);
    out += '/';
    core::append_hex(out, key.key.by_id);
    core::append_hex(out, key.key.by_source);
    out += '/';
    core::append_number(out, shard);
}

// The state in a row; false: the row does not read.
bool read_state_row(std::string_view json, std::string& out) {
    // As put() writes nearly all of them.
    constexpr std::string_view kBegin = R"({"state":")", kEnd = R"("})";
    if (json.size() >= kBegin.size() + kEnd.size() && json.starts_with(kBegin) &&
        json.ends_with(kEnd)) {
        json.remove_prefix(kBegin.size());
        json.remove_suffix(kEnd.size());
        if (json.find_first_of("\"\\") == std::string_view::npos) {
            out = json;
            return true;
        }
        json = {json.data() - kBegin.size(), json.size() + kBegin.size() + kEnd.size()};
    }
    core::JsonDom dom;
    core::JsonElement root, member;
    std::string_view text;
    if (!dom.read(json, root) || !root.is_object() || !root.find("state", member) ||
        !member.get(text))
        return false;
    out = text;
    return true;
}

}  // namespace

StateBook::StateBook(store::Database& database, std::size_t shards)
    : database_(database), shards_(shards) {}

StateKey StateBook::key_of(const EventSchema& schema, std::uint64_t transition,
                           std::string_view key) const {
    return {schema.tenant, schema.number, transition,
            database_.hasher().identity_of(schema.tenant, key, transition)};
}

bool StateBook::hold(const void* holder, const std::vector<StateKey>& keys,
                     std::vector<StateSlot*>& slots, std::vector<StateSlot*>& held) {
    slots.clear();
    held.clear();
    {
        std::lock_guard lock(mutex_);
        for (const StateKey& key : keys) {
            const auto [at, fresh] = slots_.try_emplace(key);
            StateSlot& slot = at->second;
            if (!fresh && slot.holder != holder) {
                for (const StateSlot* mine : held) slots_.erase(StateKey(mine->key));
                held.clear();
                return false;
            }
            if (fresh) {
                slot.key = key;
                slot.uses.store(1, std::memory_order_relaxed);  // under the mutex
                slot.holder = holder;
                held.push_back(&slot);
            }
            slots.push_back(&slot);
        }
    }
    load(held);
    return true;
}

void StateBook::release_locked(StateSlot& slot) {
    // acq_rel: what others have done with it comes before its end.
    if (slot.uses.fetch_sub(1, std::memory_order_acq_rel) == 1) slots_.erase(StateKey(slot.key));
}

void StateBook::release(std::span<StateSlot* const> slots) {
    std::lock_guard lock(mutex_);
    for (StateSlot* slot : slots) release_locked(*slot);
}

void StateBook::let_go(std::span<StateSlot* const> slots) {
    std::lock_guard lock(mutex_);
    for (StateSlot* slot : slots) {
        slot->holder = nullptr;
        release_locked(*slot);
    }
}

std::string StateBook::current(const StateKey& key) const {
    StateSlot slot;
    slot.key = key;
    StateSlot* const one = &slot;
    load({&one, 1});
    return std::move(slot.state);
}

std::optional<std::string> StateBook::settled(const StateKey& key) const {
    {
        std::lock_guard lock(mutex_);
        if (slots_.contains(key)) return std::nullopt;
    }
    return current(key);
}

// What events of one batch with different partition keys did to one key stands with each of their
// shards.
void StateBook::load(std::span<StateSlot* const> slots) const {
    constexpr std::size_t kIdBytes = 80;  // of most
    std::string ids;
    std::vector<std::size_t> ends;
    ids.reserve(slots.size() * shards_ * kIdBytes);
    ends.reserve(slots.size() * shards_);
    for (StateSlot* slot : slots) {
        slot->state = schema::kNoState;
        slot->step = 0;
        for (std::size_t shard = 0; shard < shards_; ++shard) {
            append_row_id(ids, slot->key, shard);
            ends.push_back(ids.size());
        }
    }
    std::vector<std::string_view> names;
    names.reserve(ends.size());
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
        names.push_back(std::string_view(ids).substr(begin, end - begin));
        begin = end;
    }
    // What can not be read is not there.
    (void)database_.registry().get_many(
        kStateKind, names, [&](std::size_t place, const store::RegistryDocumentView& row) {
            StateSlot& slot = *slots[place / shards_];
            if (row.version > slot.step && read_state_row(row.json, slot.state))
                slot.step = row.version;
        });
}

void StateBook::put(store::RowBatch& rows, const StateKey& key, core::ShardId shard,
                    std::uint64_t step, std::string_view state, std::int64_t at_us) {
    std::string json;
    core::JsonWriter(json).begin_object().field("state", state).end_object();
    std::string id;
    id.reserve(96);
    append_row_id(id, key, shard.value);
    rows.put_registry(kStateKind, id, step, at_us, json);
}

void StateBook::forget(core::TenantId tenant, SchemaNumber schema) {
    constexpr std::size_t kRowsAtOnce = 1000;
    const std::string prefix = schema_prefix(tenant, schema);
    for (;;) {
        const auto rows = database_.registry().list(kStateKind, prefix, "", kRowsAtOnce);
        if (!rows || rows->empty()) return;
        store::RowBatch batch;
        for (const store::RegistryDocument& row : *rows) batch.erase_registry(kStateKind, row.id);
        if (!database_.write_now(batch) || rows->size() < kRowsAtOnce) return;
    }
}

std::size_t StateBook::held() const {
    std::lock_guard lock(mutex_);
    return slots_.size();
}

}  // namespace millrace::runtime
