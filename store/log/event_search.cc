#include "store/log/event_search.h"

#include "store/engine.h"
#include "store/log/block_codec.h"
#include "store/log/bloom_filter.h"
#include "store/rows/keys.h"
#include "store/rows/page_cursor.h"

#include <algorithm>
#include <memory>

namespace millrace::store {
namespace {

// Received times within a shard follow the wall clock, which may be set back. A search gives up
// looking further only beyond this much slack.

// The query in the form that blocks are compared with.
struct Criteria {
    const EventQuery& query;
    std::vector<std::uint64_t> items;  // all of them must be in a block's filter
    std::uint64_t pattern_item_hash = 0;
    bool newest_first = true;

    Criteria(const EventQuery& q, const Hasher& hasher)
        : query(q), newest_first(q.order == SearchOrder::kNewestFirst) {
        const auto need = [&](SummaryField field, std::string_view name) {
            if (!name.empty()) items.push_back(summary_item(field, hasher.text(name)));
        };
        need(SummaryField::kSource, q.source_id);
        need(SummaryField::kCorrelation, q.correlation_id);
        need(SummaryField::kCausation, q.causation_id);
        need(SummaryField::kContext, q.context_id);
        if (!q.pattern.empty()) pattern_item_hash = pattern_item(q.pattern);
    }
    bool pattern_wanted(std::string_view pattern) const {
        if (!query.pattern.empty() && pattern != query.pattern) return false;
        return pattern.starts_with(query.pattern_prefix);
    }
    bool patterns_may_match(const SummaryView& summary) const {
        if (query.pattern.empty() && query.pattern_prefix.empty()) return true;
        if (summary.has(SummaryFlag::kPatternsOverflow)) {
            return query.pattern.empty() || bloom_may_contain(summary.bloom, pattern_item_hash);
        }
        std::string_view rest = summary.patterns;
        while (rest.size() >= sizeof(std::uint16_t)) {
            std::uint16_t bytes = 0;
            std::memcpy(&bytes, rest.data(), sizeof(bytes));
            if (pattern_wanted(rest.substr(sizeof(bytes), bytes))) return true;
            rest.remove_prefix(std::min(rest.size(), sizeof(bytes) + bytes));
        }
        return false;
    }
    bool may_match(const SummaryView& summary) const {
        const SummaryHeader& h = summary.header;
        if (h.received_max_us < query.from_us || h.received_min_us >= query.to_us) return false;
        if (query.tenant && !summary.has(SummaryFlag::kManyTenants) &&
            h.tenant != query.tenant->value)
            return false;
        for (const std::uint64_t item : items) {
            if (!bloom_may_contain(summary.bloom, item)) return false;
        }
        return patterns_may_match(summary);
    }
};

// One shard's matching events in order; `current` is the next one when `there`.
class Stream {
public:
    struct Place {
        core::ShardId shard;
        std::uint64_t bound = 0;
        std::size_t blocks_max = 1;
    };
    Stream(Engine& engine, const Criteria& criteria, EventPage& page, const Place& place)
        : engine_(engine),
          criteria_(criteria),
          page_(page),
          shard_(place.shard),
          bound_(place.bound),
          blocks_left_(place.blocks_max) {}

    bool there() const { return there_; }
    // Neither an event nor the end: the budget is used up, and what comes next here is not known.
    bool stalled() const { return !there_ && !ended_; }
    const StoredEvent& current() const { return current_; }
    OwnedEvent owned() const { return {current_, block_.first_offset(), block_.body()}; }
    // Newest first: one past the next event to look at. Oldest first: the next event to look at.
    std::uint64_t resume() const {
        if (!there_) return bound_;
        return criteria_.newest_first ? current_.position.offset.value + 1
                                      : current_.position.offset.value;
    }

    // Goes on to the next matching event, or to the end, or until the budget of blocks is used up.
    core::Status advance() {
        there_ = false;
        for (;;) {
            if (block_ && next_in_block()) return {};
            if (ended_ || blocks_left_ == 0) return {};
            if (loaded_ && page_.events_seen >= criteria_.query.events_max) return {};
            if (auto status = next_block(); !status) return status;
        }
    }

private:
    bool next_in_block() {
        const EventQuery& query = criteria_.query;
        while (left_ > 0) {
            --left_;
            const std::uint32_t index = criteria_.newest_first ? left_ : block_.count() - 1 - left_;
            const core::LogOffset offset{block_.first_offset().value + index};
            bound_ = criteria_.newest_first ? offset.value : offset.value + 1;
            ++page_.events_seen;
            const EventRecord& record = block_.record(index);
            if (!pattern_wanted_[record.pattern_index] || block_.gone(index)) continue;
            if (record.received_at_us < query.from_us || record.received_at_us >= query.to_us)
                continue;
            if (query.tenant && record.tenant != query.tenant->value) continue;
            current_ = block_.event(index);
            if (query.accept && !query.accept(current_)) continue;
            there_ = true;
            return true;
        }
        block_ = {};
        return false;
    }

    void seek() {
        summaries_ = engine_.iterate(ColumnFamily::kSummary);
        if (criteria_.newest_first) {
            if (bound_ > 0) summaries_->SeekForPrev(log_key({shard_, core::LogOffset{bound_ - 1}}));
            return;
        }
        summaries_->SeekForPrev(log_key({shard_, core::LogOffset{bound_}}));
        if (!summaries_->Valid()) {
            summaries_->SeekToFirst();
            return;
        }
        KeyReader reader(view(summaries_->key()));
        if (read_log_key(reader).shard != shard_) summaries_->Next();
    }

    core::Status next_block() {
        if (!summaries_) {
            seek();
        } else if (criteria_.newest_first) {
            summaries_->Prev();
        } else {
            summaries_->Next();
        }
        for (; summaries_->Valid();
             criteria_.newest_first ? summaries_->Prev() : summaries_->Next()) {
            KeyReader reader(view(summaries_->key()));
            const core::LogPosition key = read_log_key(reader);
            if (key.shard != shard_ ||
                (criteria_.newest_first && key.offset < engine_.first_kept(shard_)))
                break;
            auto summary = open_summary(key, view(summaries_->value()));
            if (!criteria_.newest_first && key.offset < engine_.first_kept(shard_)) continue;
            if (!summary) {
                // It can only skip: the block itself is looked at.
                engine_.quarantine.set_aside(ColumnFamily::kSummary, view(summaries_->key()),
                                             summary.error().message);
                return load(key);
            }
            const std::uint64_t end = key.offset.value + summary->header.count;
            if (!criteria_.newest_first && end <= bound_) continue;
            if (!criteria_.may_match(*summary)) {
                ++page_.blocks_skipped;
                bound_ = criteria_.newest_first ? key.offset.value : end;
                continue;
            }
            return load(key);
        }
        ended_ = true;
        if (criteria_.newest_first) bound_ = 0;
        if (!summaries_->status().ok())
            return core::fail(rocks_error("read summaries", summaries_->status()));
        return {};
    }

    core::Status load(core::LogPosition key) {
        auto block = engine_.log_reader->read_block(shard_, key.offset);
        if (!block) return core::fail(std::move(block.error()));
        block_ = std::move(*block);
        ++page_.blocks_read;
        --blocks_left_;
        loaded_ = true;
        if (!block_) {
            ended_ = true;  // not yet durable: it is for a later call
            return {};
        }
        const std::uint64_t first = block_.first_offset().value;
        left_ = block_.count();
        if (criteria_.newest_first) {
            if (bound_ < first + left_) left_ = static_cast<std::uint32_t>(bound_ - first);
        } else if (bound_ > first) {
            left_ -= static_cast<std::uint32_t>(std::min<std::uint64_t>(left_, bound_ - first));
        }
        pattern_wanted_.resize(block_.pattern_count());
        for (std::uint32_t i = 0; i < block_.pattern_count(); ++i) {
            pattern_wanted_[i] = criteria_.pattern_wanted(block_.pattern(i));
        }
        return {};
    }

    Engine& engine_;
    const Criteria& criteria_;
    EventPage& page_;
    const core::ShardId shard_;
    std::uint64_t bound_;
    std::size_t blocks_left_;
    std::unique_ptr<rocksdb::Iterator> summaries_;
    EventBlock block_;
    std::vector<char> pattern_wanted_;
    std::uint32_t left_ = 0;
    StoredEvent current_;
    bool there_ = false;
    bool ended_ = false;
    bool loaded_ = false;  // a block at least
};

// By positions, which stand close: what summaries have skipped counts as searched.
double searched_share(Engine& engine, bool newest_first, const std::vector<std::uint64_t>& resume) {
    double behind = 0;
    double all = 0;
    for (std::size_t i = 0; i < resume.size(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        const std::uint64_t first = engine.first_kept(shard).value;
        const std::uint64_t end = std::max(first, engine.durable_end(shard).value);
        const std::uint64_t at = std::clamp(resume[i], first, end);
        behind += static_cast<double>(newest_first ? end - at : at - first);
        all += static_cast<double>(end - first);
    }
    constexpr double kNotAll = 0.999999;  // there is a cursor: something is left
    return all > 0 ? std::min(behind / all, kNotAll) : 0;
}

}  // namespace

core::Result<EventPage> EventSearch::search(const EventQuery& query) {
    const Criteria criteria(query, *engine_.hasher);
    const char kind = criteria.newest_first ? 'n' : 'o';
    std::vector<std::uint64_t> bounds;
    if (query.cursor.empty()) {
        for (std::size_t i = 0; i < engine_.options.shards; ++i) {
            const core::ShardId shard{static_cast<std::uint16_t>(i)};
            bounds.push_back(criteria.newest_first ? engine_.durable_end(shard).value
                                                   : engine_.first_kept(shard).value);
        }
    } else if (!decode_cursor_numbers(kind, query.cursor, bounds) ||
               bounds.size() != engine_.options.shards) {
        return core::fail(
            core::Error(core::ErrorCode::kValidation, "cursor is not one that this list gave")
                .in("cursor"));
    }
    EventPage page;
    std::vector<std::unique_ptr<Stream>> streams;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        const core::ShardId shard{static_cast<std::uint16_t>(i)};
        // At least one block for each, so that every call gets somewhere.
        const std::size_t blocks_max = std::max<std::size_t>(1, query.blocks_max / bounds.size());
        streams.push_back(std::make_unique<Stream>(engine_, criteria, page,
                                                   Stream::Place{shard, bounds[i], blocks_max}));
        if (auto status = streams.back()->advance(); !status)
            return core::fail(std::move(status.error()));
    }
    // Streams are compared in the order of their shards. Events of one instant are ordered by
    // shard, so that newest first is oldest first read backwards.
    const auto before = [&](const Stream& a, const Stream& b) {
        const std::int64_t x = a.current().received_at_us;
        const std::int64_t y = b.current().received_at_us;
        return criteria.newest_first ? x >= y : x < y;
    };
    for (;;) {
        Stream* best = nullptr;
        bool stalled = false;
        for (const auto& stream : streams) {
            stalled |= stream->stalled();
            if (stream->there() && (!best || before(*stream, *best))) best = stream.get();
        }
        if (!best && !stalled) break;
        page.full = page.events.size() == query.limit || page.bytes >= query.bytes_max;
        if (stalled || page.full) {
            std::vector<std::uint64_t> resume;
            resume.reserve(streams.size());
            for (const auto& stream : streams) resume.push_back(stream->resume());
            page.next = encode_cursor_numbers(kind, resume);
            page.searched = searched_share(engine_, criteria.newest_first, resume);
            break;
        }
        page.events.push_back(best->owned());
        page.bytes += best->current().raw.size();
        if (auto status = best->advance(); !status) return core::fail(std::move(status.error()));
    }
    return page;
}

}  // namespace millrace::store
