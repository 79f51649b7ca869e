#include "tests/sim/entity_model.h"

#include "core/timestamp.h"
#include "store/log/log_reader.h"
#include "store/rows/entity_store.h"
#include "tests/sim/found.h"

#include <simdjson.h>

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::sim {

namespace {

std::uint64_t number_of(const simdjson::dom::element& in, std::string_view name) {
    std::uint64_t number = 0;
    return in[name].get(number) ? 0 : number;
}

std::string text_of(const simdjson::dom::element& in, std::string_view name) {
    std::string_view text;
    return in[name].get(text) ? std::string() : std::string(text);
}

}  // namespace

std::string EntityModel::read_lives(store::Database& database, Lives& lives) const {
    const std::string prefix = "entity." + std::string(kEntityType) + ".";
    simdjson::dom::parser parser;
    for (std::size_t i = 0; i < database.shards(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        core::LogOffset next = database.first_kept(shard);
        while (next < database.durable_end(shard)) {
            const auto block = database.log_reader().read_block(shard, next);
            if (!block || !*block) return "the log can't be read at " + at({shard, next});
            for (std::uint32_t index = 0; index < block->count(); ++index) {
                const store::StoredEvent event = block->event(index);
                if (!event.pattern.starts_with(prefix)) continue;
                simdjson::dom::element in, payload, doc, before;
                if (parser.parse(std::string(event.raw)).get(in) || in["payload"].get(payload) ||
                    payload["doc"].get(doc))
                    return "a change that does not read: " + std::string(event.raw);
                Change change;
                change.pattern = event.pattern.substr(prefix.size());
                change.version = number_of(doc, "version");
                change.mark = number_of(doc, "n");
                if (!payload["beforeUpdateDoc"].get(before)) {
                    change.before_version = number_of(before, "version");
                    change.before_mark = number_of(before, "n");
                }
                lives[{event.tenant.value, text_of(doc, "id"), text_of(doc, "createdAt")}]
                    .push_back(std::move(change));
            }
            next = block->end_offset();
        }
    }
    return "";
}

std::string EntityModel::check_life(const std::string& who,
                                    const std::vector<Change>& changes) const {
    std::vector<const Change*> kept;
    std::vector<const Change*> ends;
    for (const Change& change : changes)
        (change.pattern == "deleted" ? ends : kept).push_back(&change);
    std::sort(kept.begin(), kept.end(),
              [](const Change* a, const Change* b) { return a->version < b->version; });
    std::uint64_t version = 0;
    std::uint64_t mark = 0;
    for (const Change* change : kept) {
        const std::string what = who + ", version " + std::to_string(change->version);
        if (change->version != version + 1)
            return what + " comes after version " + std::to_string(version);
        if ((change->pattern == "created") != (version == 0))
            return what + " is " + change->pattern;
        if (change->before_version != version || change->before_mark != mark)
            return what + " was made of " + std::to_string(change->before_mark) + " instead of " +
                   std::to_string(mark);
        version = change->version;
        mark = change->mark;
    }
    if (ends.size() > 1) return who + " was deleted twice";
    if (!ends.empty() && (ends.front()->version != version || ends.front()->mark != mark))
        return who + " was deleted at version " + std::to_string(ends.front()->version) +
               ", its last one is " + std::to_string(version);
    return "";
}

std::string EntityModel::check_rows(store::Database& database, const Lives& lives) const {
    std::set<std::pair<std::size_t, std::string>> alive;
    PerTenant<std::uint64_t> hooked{};
    for (const auto& [life, changes] : lives) {
        const auto& [tenant, id, created_at] = life;
        const std::string who =
            "tenant " + std::to_string(tenant) + ", " + id + " of " + created_at;
        if (tenant >= kTenants) return who + " is nobody's";
        const Change* last = nullptr;
        bool ended = false;
        for (const Change& change : changes) {
            ended |= change.pattern == "deleted";
            hooked[tenant] += change.pattern != "deleted";
            if (!last || change.version > last->version) last = &change;
        }
        if (ended) continue;
        if (!alive.emplace(tenant, id).second) return who + " is not the only one alive";
        const auto row = database.entities().get({tenant_id(tenant), std::string(kEntityType), id});
        if (!row || !*row) return who + " is not there";
        simdjson::dom::parser parser;
        simdjson::dom::element doc;
        if (parser.parse((*row)->json).get(doc)) return who + " does not read: " + (*row)->json;
        if ((*row)->version != last->version || number_of(doc, "n") != last->mark ||
            core::format_timestamp((*row)->created_at_us) != created_at)
            return who + " is version " + std::to_string((*row)->version) + " of " + (*row)->json +
                   ", its last event says version " + std::to_string(last->version) + " of " +
                   std::to_string(last->mark);
        if (number_of(doc, "hooked") != last->mark) return who + " did not pass its hook";
    }
    for (std::size_t tenant = 0; tenant < kTenants; ++tenant) {
        std::string wrong;
        const auto read = database.entities().visit(
            {tenant_id(tenant), std::string(kEntityType), {}}, [&](store::Entity&& entity) {
                if (!alive.contains({tenant, entity.id}))
                    wrong = "tenant " + std::to_string(tenant) + " has " + entity.id +
                            ", which no event has made";
                return wrong.empty();
            });
        if (!read) return "the entities can't be read";
        if (!wrong.empty()) return wrong;
        const auto counted = static_cast<std::uint64_t>(counter(database, tenant, "hooked"));
        if (counted != hooked[tenant])
            return "tenant " + std::to_string(tenant) + ": the hook has counted " +
                   std::to_string(counted) + " changes of " + std::to_string(hooked[tenant]);
    }
    return "";
}

std::string EntityModel::check_answers(const Lives& lives) const {
    std::map<std::pair<std::size_t, std::uint64_t>, std::pair<std::string, std::uint64_t>> made;
    for (const auto& [life, changes] : lives) {
        for (const Change& change : changes) {
            if (change.pattern == "deleted") continue;
            const auto [at, fresh] = made.try_emplace({std::get<0>(life), change.mark},
                                                      std::get<1>(life), change.version);
            if (!fresh) return "one write, two changes: " + std::to_string(change.mark);
        }
    }
    for (const AnsweredWrite& write : answered_) {
        const std::string who = "the write " + std::to_string(write.mark) + " of " + write.id;
        const auto there = made.find({write.tenant, write.mark});
        if (there == made.end()) return who + " was answered and is not in the log";
        if (there->second != std::pair(write.id, write.version))
            return who + " is version " + std::to_string(there->second.second) +
                   ", the answer said " + std::to_string(write.version);
        if (write.based_on != 0 && write.version != write.based_on + 1)
            return who + " was based on version " + std::to_string(write.based_on) +
                   " and became " + std::to_string(write.version);
    }
    return "";
}

std::string EntityModel::check(store::Database& database) const {
    Lives lives;
    if (std::string wrong = read_lives(database, lives); !wrong.empty()) return wrong;
    for (const auto& [life, changes] : lives) {
        const std::string who = "tenant " + std::to_string(std::get<0>(life)) + ", " +
                                std::get<1>(life) + " of " + std::get<2>(life);
        if (std::string wrong = check_life(who, changes); !wrong.empty()) return wrong;
    }
    if (std::string wrong = check_rows(database, lives); !wrong.empty()) return wrong;
    return check_answers(lives);
}

std::uint64_t EntityModel::changes(store::Database& database) const {
    Lives lives;
    (void)read_lives(database, lives);
    std::uint64_t count = 0;
    for (const auto& [life, changes] : lives) count += changes.size();
    return count;
}

}  // namespace millrace::sim
