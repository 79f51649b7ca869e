#include "runtime/registry/state_book.h"

#include "core/json_dom.h"
#include "core/json_writer.h"
#include "runtime/schema/transition.h"
#include "store/database.h"
#include "store/rows/registry_store.h"
#include "store/rows/row_batch.h"

namespace millrace::runtime {

namespace {

void append_hex(std::string& out, std::uint64_t value) {
    constexpr char kDigits[] = "0123456789abcdef";
    char text[16];
    for (char* at = text + sizeof text; at != text; value >>= 4) *--at = kDigits[value & 15];
    out.append(text, sizeof text);
}

std::string schema_prefix(core::TenantId tenant, SchemaNumber schema) {
    return std::to_string(tenant.value) + "/" + std::to_string(schema.value) + "/";
}

// Without its shard.
std::string key_id(const StateKey& key) {
    std::string id;
    id.reserve(96);
    id += schema_prefix(key.tenant, key.schema);
    append_hex(id, key.transition);
    id += '/';
    append_hex(id, key.key.by_id);
    append_hex(id, key.key.by_source);
    id += '/';
    return id;
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
                slot.uses = 1;
                slot.holder = holder;
                held.push_back(&slot);
            }
            slots.push_back(&slot);
        }
    }
    for (StateSlot* slot : held) load(slot->key, slot->state, slot->step);
    return true;
}

void StateBook::use(StateSlot& slot) {
    std::lock_guard lock(mutex_);
    ++slot.uses;
}

void StateBook::release(StateSlot& slot) {
    std::lock_guard lock(mutex_);
    if (--slot.uses == 0) slots_.erase(StateKey(slot.key));
}

void StateBook::let_go(StateSlot& slot) {
    {
        std::lock_guard lock(mutex_);
        slot.holder = nullptr;
    }
    release(slot);
}

std::string StateBook::current(const StateKey& key) const {
    std::string state;
    std::uint64_t step = 0;
    load(key, state, step);
    return state;
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
void StateBook::load(const StateKey& key, std::string& state, std::uint64_t& step) const {
    state = schema::kNoState;
    step = 0;
    std::string id = key_id(key);
    const std::size_t room = id.size();
    for (std::size_t shard = 0; shard < shards_; ++shard) {
        id.resize(room);
        id += std::to_string(shard);
        const auto row = database_.registry().get(kStateKind, id);
        if (!row || !*row || (*row)->version <= step) continue;
        if (read_state_row((*row)->json, state)) step = (*row)->version;
    }
}

void StateBook::put(store::RowBatch& rows, const StateKey& key, core::ShardId shard,
                    std::uint64_t step, std::string_view state, std::int64_t at_us) {
    std::string json;
    core::JsonWriter(json).begin_object().field("state", state).end_object();
    std::string id = key_id(key);
    id += std::to_string(shard.value);
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
