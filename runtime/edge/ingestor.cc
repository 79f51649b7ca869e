#include "runtime/edge/ingestor.h"

#include "core/key_hash.h"
#include "runtime/delivery/event_input.h"
#include "runtime/delivery/placement.h"
#include "runtime/entity/order_key.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/event_source.h"
#include "runtime/event/misfit.h"
#include "runtime/event/own_events.h"
#include "store/log/event_id.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

using core::EnvelopeField;
using store::EventFlag;

Ingestor::Ingestor(const Options& options, const store::Hasher& hasher, const core::Clock& clock,
                   matcher::Matcher::Reader reader)
    : options_(options),
      hasher_(hasher),
      clock_(clock),
      reader_(std::move(reader)),
      parser_(core::EventParser::Options{.event_bytes_max = options.event_bytes_max}),
      guard_(options.schemas),
      verify_every_(options.verifier ? options.verifier->every() : 0) {}

namespace {

// Of what a handler emitted, or the server itself, nobody is told.
SchemaGuard::Asker asker_of(const IngestRequest& request) {
    return request.origin == IngestOrigin::kLane ? SchemaGuard::Asker::kNobody
                                                 : SchemaGuard::Asker::kSender;
}

}  // namespace

core::Status Ingestor::read(IngestRequest& request, std::string_view text, core::BatchFormat format,
                            HomeRule rule) {
    // How long an event of a handler may be has been asked where it was made; what stands for an
    // event may be longer.
    parser_.bound(request.origin == IngestOrigin::kLane ? kStandInBytesMax
                                                        : options_.event_bytes_max);
    if (auto begun = parser_.begin(text, format); !begun) return begun;
    const std::int64_t now_us = clock_.wall_us();
    guard_.refresh();
    const matcher::Snapshot& snapshot = reader_.observe();
    const bool anybody =
        request.entry_tenants.empty()
            ? snapshot.has_tenant(request.tenant)
            : std::any_of(request.entry_tenants.begin(), request.entry_tenants.end(),
                          [&](core::TenantId tenant) { return snapshot.has_tenant(tenant); });
    expected_ = {&snapshot, request.tenant_of(0)};
    parser_.listen(anybody ? core::PatternListener{&Ingestor::expect, this}
                           : core::PatternListener{});
    EntryBound bound = entry_bound(request.origin);
    core::Envelope envelope;
    core::Error error;
    for (;;) {
        const core::ParseOutcome outcome =
            anybody ? parser_.next(&snapshot.plan(), envelope, &fields_, error)
                    : parser_.next(nullptr, envelope, nullptr, error);
        if (outcome == core::ParseOutcome::kEnd) break;
        if (auto one_more = bound.take(); !one_more) return one_more;
        if (outcome == core::ParseOutcome::kEvent) {
            if (auto checked = check(request, envelope); checked) {
                const std::uint32_t number = entry_number(request);
                const bool returns = request.returns(number);
                StandsFor stands_for;
                late_.clear();
                if (guard_.any() && !request.stands_in(number) &&
                    !guard_.passes(envelope, request.tenant_of(number), parser_) &&
                    !pass_schemas(request, anybody ? &snapshot.plan() : nullptr, now_us, envelope,
                                  stands_for)) [[unlikely]]
                    continue;
                const Entry entry{number, request.tenant_of(number)};
                add(request, envelope, returns ? HomeRule::kByKey : rule, now_us, entry);
                mark(request.items.back(), stands_for);
                if (!late_.empty()) [[unlikely]]
                    ask_late(request);
                request.items.back().match_begin =
                    static_cast<std::uint32_t>(request.matches.size());
                if (anybody) match_last(request, envelope, snapshot, now_us);
                continue;
            } else {
                error = std::move(checked.error());
            }
        }
        if (parser_.broken()) return core::fail(std::move(error));
        request.rejected.push_back({entry_number(request), std::move(error)});
        error = core::Error();
    }
    return {};
}

// Fields are those of the envelope's parse.
void Ingestor::match_last(IngestRequest& request, const core::Envelope& envelope,
                          const matcher::Snapshot& snapshot, std::int64_t now_us) {
    IngestItem& item = request.items.back();
    defaults_.fill(snapshot.plan(), envelope, item.input.tenant, now_us, fields_);
    snapshot.match(envelope, item.input.tenant, fields_, scratch_, matched_);
    request.matches.insert(request.matches.end(), matched_.begin(), matched_.end());
    item.match_count = static_cast<std::uint32_t>(matched_.size());
    if (verify_every_ != 0 && ++unverified_ >= verify_every_) [[unlikely]] {
        unverified_ = 0;
        options_.verifier->offer(envelope, item.input.tenant, now_us, snapshot.version(), matched_);
    }
}

bool Ingestor::pass_schemas(IngestRequest& request, const core::FieldPlan* plan,
                            std::int64_t now_us, core::Envelope& envelope, StandsFor& stands_for) {
    const std::uint32_t entry = entry_number(request);
    const core::TenantId tenant = request.tenant_of(entry);
    if (request.returns(entry)) {
        // Whoever let it go has held it against all of them: only its steps are made.
        (void)guard_.judge(envelope, tenant, now_us, SchemaGuard::Asker::kReturned, &late_,
                           &parser_);
        return true;
    }
    SchemaGuard::Finding finding =
        guard_.judge(envelope, tenant, now_us, asker_of(request), &late_, &parser_);
    if (finding.outcome == SchemaGuard::Outcome::kTake) return true;
    late_.clear();
    if (finding.outcome == SchemaGuard::Outcome::kDeadLetter &&
        stand_in(request, plan, now_us, finding, envelope, stands_for))
        return true;
    // As it is meant, or because it is too large or too deep to be put into another one.
    request.rejected.push_back({entry, std::move(finding.error), std::move(finding.errors)});
    return false;
}

bool Ingestor::read_stand_in_text(std::string& text, const core::FieldPlan* plan,
                                  core::Envelope& envelope) {
    const std::size_t bytes = text.size();
    text.append(core::kPaddingBytes, ' ');
    return guard_.parser()
        .parse_one(std::string_view(text).substr(0, bytes), plan, envelope,
                   plan ? &fields_ : nullptr)
        .has_value();
}

bool Ingestor::stand_in(IngestRequest& request, const core::FieldPlan* plan, std::int64_t now_us,
                        const SchemaGuard::Finding& finding, core::Envelope& envelope,
                        StandsFor& stands_for) {
    const std::uint64_t salt = core::mix_u64(++misfits_ ^ std::uint64_t{options_.shard.value} << 48,
                                             static_cast<std::uint64_t>(now_us));
    const std::string& id =
        request.texts.emplace_back(envelope.event_id.empty() ? made_event_id(envelope.raw, salt)
                                                             : std::string(envelope.event_id));
    const std::string& pattern = request.texts.emplace_back(envelope.pattern);
    std::string& text =
        request.texts.emplace_back(misfit_event(envelope, id, {finding.schema_id, finding.errors}));
    core::Envelope misfit;
    if (!read_stand_in_text(text, plan, misfit)) {
        // Nobody can be told that it does not come in: then its bytes stand for it.
        if (request.origin != IngestOrigin::kLane) return false;
        text = misfit_bytes_event(envelope, id, finding.schema_id, finding.error.message);
        misfit = {};
        if (!read_stand_in_text(text, plan, misfit)) return false;
    }
    envelope = misfit;
    stands_for = {id, pattern, request.texts.emplace_back(finding.error.message)};
    return true;
}

// ---- what is asked late

void Ingestor::ask_late(IngestRequest& request) {
    if (!request.late) request.late = std::make_unique<LateChecks>();
    IngestItem& item = request.items.back();
    request.late->items.push_back({std::move(late_), request.returns(item.entry)});
    item.late = static_cast<std::uint32_t>(request.late->items.size());
    late_ = {};
}

void Ingestor::late_keys(const IngestRequest& request, std::vector<StateKey>& out) const {
    out.clear();
    if (!options_.schemas.states) return;
    for (const IngestItem& item : request.items) {
        if (item.late == 0) continue;
        for (const LateRule& rule : request.late->items[item.late - 1].rules) {
            const EventSchema& schema = *rule.entry.schema;
            const auto& transitions = schema.contract->transitions();
            for (const schema::Step& step : rule.steps)
                out.push_back(options_.schemas.states->key_of(
                    schema, transitions[step.transition].hash(), step.key));
        }
    }
}

void Ingestor::settle_late(IngestRequest& request, std::span<StateSlot* const> slots) {
    std::size_t next = 0;
    for (const IngestItem& item : request.items) {
        if (item.late == 0) continue;
        for (LateRule& rule : request.late->items[item.late - 1].rules) {
            if (slots.empty()) rule.steps.clear();  // nobody keeps states
            rule.slots.clear();
            for (std::size_t i = 0; i < rule.steps.size(); ++i) rule.slots.push_back(slots[next++]);
        }
    }
    settled_.clear();
    std::vector<std::uint32_t> refused;
    for (std::uint32_t i = 0; i < request.items.size(); ++i) {
        if (request.items[i].late != 0 && !settle_item(request, i)) refused.push_back(i);
    }
    request.leave_out(refused);
    if (request.whole() && !request.rejected.empty()) request.drop_items();
}

bool Ingestor::settle_item(IngestRequest& request, std::uint32_t index) {
    const IngestItem& item = request.items[index];
    if (item.answer == KeeperAnswer::kStands) return true;
    LateItem& late = request.late->items[item.late - 1];
    const store::IdHash id = item.input.id;
    // What has been taken makes no second step: its home will say that it is a duplicate.
    const bool named = late.steps() && !id.none();
    if (named && (settled_.contains(id) || (options_.is_taken && options_.is_taken(id))))
        return true;
    SchemaGuard::Finding finding = guard_.judge_late(
        late.rules, {item.input.raw, item.input.tenant, item.input.received_at_us}, item.event_id,
        item.input.pattern, late.returned ? SchemaGuard::Asker::kReturned : asker_of(request),
        late.changes);
    if (finding.outcome == SchemaGuard::Outcome::kTake) {
        if (named) settled_.insert(id);
        return true;
    }
    if (late.returned) return true;  // somebody was quicker: it is in, and makes no step
    if (finding.outcome == SchemaGuard::Outcome::kDeadLetter && bury(request, index, finding))
        return true;
    request.rejected.push_back({item.entry, std::move(finding.error), std::move(finding.errors)});
    return false;
}

// What stands for the event takes its place.
bool Ingestor::bury(IngestRequest& request, std::uint32_t index,
                    const SchemaGuard::Finding& finding) {
    const IngestItem old = request.items[index];
    const Entry entry{old.entry, old.input.tenant};
    const std::int64_t now_us = old.input.received_at_us;
    std::string& text = request.texts.emplace_back(old.input.raw);
    text.append(core::kPaddingBytes, ' ');
    core::Envelope envelope;
    if (!guard_.parser().parse_one(std::string_view(text).substr(0, old.input.raw.size()), nullptr,
                                   envelope, nullptr))
        return false;
    const matcher::Snapshot& snapshot = reader_.observe();
    const bool anybody = snapshot.has_tenant(entry.tenant);
    StandsFor stands_for;
    if (!stand_in(request, anybody ? &snapshot.plan() : nullptr, now_us, finding, envelope,
                  stands_for))
        return false;
    const bool emitted = request.origin == IngestOrigin::kLane;
    add(request, envelope, emitted ? HomeRule::kStayHere : HomeRule::kByKey, now_us, entry);
    IngestItem& item = request.items.back();
    mark(item, stands_for);
    item.input.fills = old.input.fills;
    item.match_begin = static_cast<std::uint32_t>(request.matches.size());
    if (anybody) match_last(request, envelope, snapshot, now_us);
    request.replace_by_last(index);
    return true;
}

void Ingestor::expect(void* self, std::string_view pattern) {
    auto& ingestor = *static_cast<Ingestor*>(self);
    const auto& [snapshot, tenant] = ingestor.expected_;
    snapshot->expect(pattern, tenant, ingestor.scratch_);
}

// Sockets count lines, empty ones too; HTTP counts entries.
std::uint32_t Ingestor::entry_number(const IngestRequest& request) const {
    return static_cast<std::uint32_t>(request.origin == IngestOrigin::kLine ? parser_.line() - 1
                                                                            : parser_.index());
}

core::Status Ingestor::check(const IngestRequest& request, const core::Envelope& envelope) const {
    const core::TenantId tenant = request.tenant_of(entry_number(request));
    if (envelope.has(EnvelopeField::kTenantId) && envelope.tenant_id != tenant_name(tenant))
        return core::fail(foreign_tenant(envelope.tenant_id, tenant));
    // What lanes bring has been held against that where it was made.
    if (request.origin != IngestOrigin::kLane && is_own_event(envelope.pattern))
        return core::fail(own_event_refused());
    if (request.sender && !request.sender->may_see(envelope.pattern)) {
        return core::fail(core::Error(core::ErrorCode::kForbidden,
                                      "pattern: the key may not send '" +
                                          std::string(envelope.pattern.substr(0, 64)) + "'")
                              .in("pattern"));
    }
    return {};
}

std::uint16_t Ingestor::flags_of(const core::Envelope& envelope, HomeRule rule,
                                 std::int64_t now_us) const {
    unsigned flags = 0;
    const auto set = [&flags](EventFlag flag) { flags |= static_cast<unsigned>(flag); };
    if (!envelope.has(EnvelopeField::kEventId)) set(EventFlag::kFilledEventId);
    if (!envelope.has(EnvelopeField::kVersion)) set(EventFlag::kFilledVersion);
    if (!envelope.has(EnvelopeField::kSource)) set(EventFlag::kFilledSource);
    if (!envelope.has(EnvelopeField::kTimestamp)) set(EventFlag::kFilledTimestamp);
    if (rule == HomeRule::kStayHere) set(EventFlag::kEmitted);
    if (envelope.has(EnvelopeField::kScheduledAt) && envelope.scheduled_at_us > now_us)
        set(EventFlag::kScheduled);
    return static_cast<std::uint16_t>(flags);
}

// Strings that had escapes live in the parser until its next begin(): those are copied.
std::string_view Ingestor::keep(IngestRequest& request, std::string_view text) const {
    const std::string_view body = request.body.view();
    if (text.data() >= body.data() && text.data() < body.data() + body.size()) return text;
    return text.empty() ? text : request.texts.emplace_back(text);
}

void Ingestor::remember_source(std::string_view type, std::string_view id) {
    if (source_.id == id && source_.type == type && source_.text_hash != 0) return;
    source_ = {std::string(type), std::string(id), hasher_.text(id), hasher_.source(type, id)};
}

// An id that this server has made, or one that only looks so: of another server, say.
void Ingestor::note_made(IngestRequest& request, std::uint32_t index) const {
    IngestItem& item = request.items[index];
    const auto place = store::decode_event_id(hasher_, item.event_id);
    if (!place || place->shard.value >= options_.shards) return;
    item.position = *place;
    request.made.push_back(index);
}

void Ingestor::add(IngestRequest& request, const core::Envelope& envelope, HomeRule rule,
                   std::int64_t now_us, const Entry& entry) {
    const auto index = static_cast<std::uint32_t>(request.items.size());
    IngestItem& item = request.items.emplace_back();
    store::AppendInput& input = item.input;
    item.entry = entry.number;
    item.event_id = keep(request, envelope.event_id);
    item.payload_at = payload_place(envelope);
    input.raw = envelope.raw;
    input.pattern = keep(request, envelope.pattern);
    input.received_at_us = now_us;
    input.tenant = entry.tenant;
    input.flags = flags_of(envelope, rule, now_us);

    const EventSource source = source_of(envelope);
    remember_source(source.type, source.id);
    input.source_hash = source_.text_hash;
    if (!envelope.correlation_id.empty())
        input.correlation_hash = hasher_.text(envelope.correlation_id);
    if (!envelope.causation_id.empty()) input.causation_hash = hasher_.text(envelope.causation_id);
    if (!envelope.context_id.empty()) input.context_hash = hasher_.text(envelope.context_id);

    item.home = options_.shard;
    if (!envelope.event_id.empty()) {
        input.id = hasher_.identity_of(input.tenant, envelope.event_id, source_.identity_part);
        input.key_hash = input.id.by_id;
        if (store::has_event_id_form(envelope.event_id)) [[unlikely]]
            note_made(request, index);
        if (rule == HomeRule::kByKey) item.home = home_of(input.key_hash, options_.shards);
    } else {
        // Nobody can ask for an order among events without key and id: spread them over the lanes.
        input.key_hash = core::mix_u64(++keyless_, core::kHashSeedA);
    }
    if (!envelope.partition_key.empty()) {
        input.key_hash = hasher_.by_id(input.tenant, envelope.partition_key);
        item.home = home_of(input.key_hash, options_.shards);
        request.keyed = true;
    } else if (rule == HomeRule::kStayHere) {
        const std::string_view key = order_key(envelope, true);
        if (!key.empty()) input.key_hash = hasher_.by_id(input.tenant, key);
    }
    const core::ShardId keeper = store::keeper_of(input.id, options_.shards);
    // What a handler emits without a key stays with its cause, whose identity stands for it: only
    // one with a key may come back with another one.
    const bool moves =
        !envelope.partition_key.empty() && (keeper != item.home || rule == HomeRule::kStayHere);
    // What is all or none is settled before any of it goes.
    const bool asks = options_.shards > 1 && !input.id.none() && (moves || request.whole());
    request.place(index, keeper, asks ? MustAsk::kYes : MustAsk::kNo);
}

}  // namespace millrace::runtime
