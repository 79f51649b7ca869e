#include "runtime/feed/behind_reader.h"

#include "store/log/log_reader.h"
#include "store/rows/executions.h"

#include <utility>

namespace millrace::runtime {

BehindReader::BehindReader(std::shared_ptr<const Subscription> subscription)
    : subscription_(std::move(subscription)),
      matcher_(matcher::Matcher::Options{.background_thread = false, .samples = false}),
      blocks_(matcher_.register_reader()) {}

core::Result<std::unique_ptr<BehindReader>> BehindReader::make(
    std::shared_ptr<const Subscription> subscription) {
    std::unique_ptr<BehindReader> reader(new BehindReader(std::move(subscription)));
    const Subscription& of = *reader->subscription_;
    if (auto status = reader->matcher_.add(of.number, of.tenant, *of.spec); !status)
        return core::fail(status.error());
    reader->matcher_.publish();
    return reader;
}

core::Status BehindReader::read_outcomes(store::Database& database,
                                         const store::EventBlock& block) {
    done_.clear();
    has_outcome_.assign(block.count(), false);
    const core::LogPosition first{block.shard(), block.first_offset()};
    return database.executions().visit_block(first, [&](const store::OutcomeEntry& entry) {
        if (!entry.replay_id.empty() || entry.event_index >= block.count()) return;
        has_outcome_[entry.event_index] = true;
        if (entry.subscription != subscription_->number) return;
        const core::LogOffset offset{first.offset.value + entry.event_index};
        done_.insert({{first.shard, offset}, entry.subscription});
    });
}

core::Result<OwedDeliveries> BehindReader::read(store::Database& database,
                                                const RegistrySnapshot& registry,
                                                core::LogPosition from) {
    OwedDeliveries owed;
    auto block = database.log_reader().read_block(from.shard, from.offset);
    if (!block) return core::fail(std::move(block.error()));
    if (!*block) return owed;
    owed.block = std::move(*block);
    blocks_.match({.block = &owed.block, .from = from.offset, .registry = &registry}, items_);
    if (items_.empty()) return owed;
    if (auto status = read_outcomes(database, owed.block); !status)
        return core::fail(status.error());
    for (const DeliveryItem& item : items_) {
        const core::LogOffset offset{owed.block.first_offset().value + item.event_index};
        if (done_.contains({{from.shard, offset}, item.subscription})) continue;
        owed.events.push_back(item.event_index);
        owed.ends_event.push_back(!has_outcome_[item.event_index]);
    }
    return owed;
}

}  // namespace millrace::runtime
