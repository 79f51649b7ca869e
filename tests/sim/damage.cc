#include "tests/sim/damage.h"

#include "runtime/server/shard.h"
#include "store/engine.h"
#include "store/rows/keys.h"
#include "store/rows/row_codec.h"
#include "tests/sim/found.h"

#include <algorithm>
#include <utility>

namespace millrace::sim {

using store::ColumnFamily;

namespace {

constexpr ColumnFamily kFamilies[] = {
    ColumnFamily::kSummary,  ColumnFamily::kOutcomes, ColumnFamily::kCursor,
    ColumnFamily::kRetry,    ColumnFamily::kDlq,      ColumnFamily::kKv,
    ColumnFamily::kRegistry, ColumnFamily::kAudit,    ColumnFamily::kKvHistory};

// Documents: those that nobody needs, and replays.
bool may_be_hurt(ColumnFamily family, std::string_view key) {
    if (family == ColumnFamily::kKv) return key.ends_with("victim");
    if (family != ColumnFamily::kRegistry) return true;
    const std::string_view kind = key.substr(0, key.find('\0'));
    return kind == "replay" || key.find("/own-") != std::string_view::npos;
}

}  // namespace

Damage::Damage(Model& model, std::uint64_t seed)
    : model_(model), random_(seed), on_(random_.below(3) == 0) {}

std::vector<Damage::Row> Damage::candidates(store::Database& database, ColumnFamily family) {
    std::vector<Row> found;
    const auto rows = database.engine().iterate(family);
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
        Row row{family, rows->key().ToString(), rows->value().ToString()};
        const bool known = std::any_of(rows_.begin(), rows_.end(), [&row](const Row& one) {
            return one.family == row.family && one.key == row.key;
        });
        if (!known && may_be_hurt(family, row.key)) found.push_back(std::move(row));
    }
    return found;
}

std::string Damage::other_value(ColumnFamily family, std::string_view value) {
    // A document's row that reads, but not what stands in it.
    if (family == ColumnFamily::kRegistry && value.ends_with('}') && random_.below(2) == 0)
        return std::string(value.substr(0, value.size() - 1)) + "]";
    switch (random_.below(3)) {
        case 0: return "";
        case 1: return "\xee not a row";
        default: return "\xee" + std::string(value.substr(std::min<std::size_t>(1, value.size())));
    }
}

bool Damage::tell_model(store::Database& database, const Row& row) {
    store::KeyReader reader(row.key);
    switch (row.family) {
        case ColumnFamily::kRetry: {
            store::RetryRow retry;
            if (!store::decode_retry_key(row.key, retry)) return false;
            const auto event = database.log_reader().read_event(retry.delivery.position);
            if (!event || !*event) return false;
            model_.hurt_events.insert(number_in((*event)->event.raw));
            return true;
        }
        case ColumnFamily::kDlq: {
            const store::DeadLetterKey key = store::read_dead_letter_key(reader);
            const bool counts = model_.counts[key.tenant.value] == key.delivery.subscription;
            ++(counts ? model_.hurt_letters : model_.hurt_side_letters)[key.tenant.value];
            return true;
        }
        case ColumnFamily::kOutcomes: {
            // Of deliveries that are behind the cursor; which ones is forgotten if that is lost.
            const core::LogPosition first = store::read_log_key(reader);
            const auto block = database.log_reader().read_block(first.shard, first.offset);
            if (!block || !*block || model_.hurt_cursor ||
                database.cursor(runtime::kDeliveryCursor, first.shard) < block->end_offset())
                return false;
            model_.hurt_outcomes.push_back({first, block->end_offset()});
            return true;
        }
        case ColumnFamily::kCursor:
            if (!model_.hurt_outcomes.empty()) return false;
            model_.hurt_cursor = true;
            return true;
        case ColumnFamily::kRegistry:
            for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
                const std::string name = "own-" + std::to_string(tenant);
                if (row.key.find("/" + name) != std::string::npos)
                    model_.hurt_documents.insert(name);
            }
            std::erase_if(model_.replays, [&row](const SentReplay& replay) {
                return row.key.ends_with(replay.id);
            });
            return true;
        // What it undoes is known to nobody else. A damaged value is its own key's failure alone.
        case ColumnFamily::kKvHistory: model_.hurt_history = true; return true;
        default: return true;
    }
}

void Damage::spoil(store::Database& database) {
    must_be_told_ = false;
    if (!on_ || random_.below(2) == 0 || database.fatal()) return;
    const ColumnFamily family = kFamilies[random_.below(std::size(kFamilies))];
    std::vector<Row> there = candidates(database, family);
    if (there.empty()) return;
    Row row = std::move(there[random_.below(there.size())]);
    if (!tell_model(database, row)) return;
    rocksdb::WriteBatch batch;
    batch.Put(database.engine().family(family), row.key, other_value(family, row.value));
    const bool done = database.engine().commit(batch, store::Durability::kFsync).has_value();
    must_be_told_ = done && (family == ColumnFamily::kRegistry || family == ColumnFamily::kCursor);
    rows_.push_back(std::move(row));
}

std::string Damage::check_told(std::uint64_t set_aside) {
    return std::exchange(must_be_told_, false) && set_aside == 0
               ? "a stored row does not read, and the start says nothing: " +
                     store::shown(rows_.back().key)
               : "";
}

bool Damage::explains(std::string_view problem) const {
    return std::any_of(rows_.begin(), rows_.end(), [problem](const Row& row) {
        if (problem.find(store::shown(row.key)) != std::string_view::npos) return true;
        if (row.family != ColumnFamily::kSummary) return false;
        store::KeyReader reader(row.key);
        return problem.starts_with(at(store::read_log_key(reader)) + ": its summary");
    });
}

}  // namespace millrace::sim
