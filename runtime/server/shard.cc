#include "runtime/server/shard.h"

#include "core/assert.h"
#include "runtime/event/event_defaults.h"
#include "runtime/event/trace_context.h"
#include "runtime/shard/entries_there.h"
#include "store/retention/space_guard.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

namespace {

// The fills of an emitted event are the digits of its depth; they must outlive the append.
std::string_view depth_text(std::uint8_t depth) {
    static constexpr std::string_view kTexts[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                                  "9", "10", "11", "12", "13", "14", "15", "16"};
    static_assert(std::size(kTexts) == core::kCausationDepthMax + 1);
    return kTexts[std::min<std::size_t>(depth, core::kCausationDepthMax)];
}

}  // namespace

Shard::Shard(Deps deps)
    : deps_(std::move(deps)),
      name_("shard-" + std::to_string(deps_.number.value)),
      metrics_(*deps_.metrics),
      grpc_figures_(metrics_.role),
      requests_(deps_.shards, deps_.request_bytes_kept_max),
      ingestor_({.shard = deps_.number,
                 .shards = deps_.shards,
                 .event_bytes_max = deps_.event_bytes_max,
                 .batch_events_max = deps_.batch_events_max,
                 .verifier = deps_.verifier,
                 .schemas = {deps_.schemas, &deps_.database->kv(), deps_.states, deps_.rules.get()},
                 .is_taken =
                     [this](const store::IdHash& id) {
                         return deps_.database->ids().look_up(id).has_value();
                     }},
                deps_.database->hasher(), *deps_.clock, std::move(deps_.matcher_reader)),
      edge_http_(*this, *deps_.api,
                 EdgeIdentity(*deps_.authenticator, deps_.query_keys, deps_.security),
                 *deps_.sources, *deps_.edge_book, deps_.database->hasher(), deps_.console),
      edge_lines_(*this, EdgeIdentity(*deps_.authenticator, deps_.query_keys, deps_.security)),
      http_(std::make_unique<io::HttpServer>(*deps_.reactor, edge_http_, deps_.http)),
      lines_(std::make_unique<io::LineServer>(*deps_.reactor, edge_lines_, deps_.lines)),
      place_gate_({.look = [this](IngestRequest& request) { places_->look(request); },
                   .pass = [this](IngestRequest& request) { enter(request); }}),
      late_gate_(deps_.states, ingestor_, [this](IngestRequest& request) { go_on(request); }),
      keeper_(deps_.number, deps_.database->ids()),
      rounds_(
          {.ask = [this](core::ShardId keeper,
                         IngestRequest& request) { to_keeper(keeper, request, Mail::Kind::kAsk); },
           .release =
               [this](core::ShardId keeper, IngestRequest& request) {
                   to_keeper(keeper, request, Mail::Kind::kRelease);
               },
           .append = [this](IngestRequest& request) { send_to_homes(request); },
           .give_back = [this](IngestRequest& request) { requests_.give_back(request); }}),
      commit_(
          {deps_.number, deps_.linger_us_max, deps_.registry_revision,
           deps_.shards > 1 ? &keeper_ : nullptr, deps_.states, &deps_.database->stored_bytes()},
          deps_.database->shard_log(deps_.number), *deps_.writer, *deps_.clock, metrics_,
          {.block_durable =
               [this](const store::EventBlock& block, std::span<const DeliveryItem> items) {
                   on_block_durable(block, items);
               },
           .request_done = [this](IngestRequest& request) { on_request_done(request); },
           .rows_due = [this](IngestRequest& request) { add_rows_of(request); },
           .before_seal =
               [this](store::RowBatch& rows) {
                   if (dispatch_->cursor() == cursor_written_) return;
                   cursor_written_ = dispatch_->cursor();
                   rows.put_cursor(kDeliveryCursor, {deps_.number, cursor_written_});
               }}),
      cursor_written_(deps_.database->cursor(kDeliveryCursor, deps_.number)) {
    edge_http_.attach(*http_, deps_.http);
    edge_lines_.attach(*lines_);
}

// Both edges at once, while all of the shard is there: each of their destructors waits for its own
// connections by polling, and would bring in what the other's clients have sent meanwhile.
Shard::~Shard() {
    constexpr int kPollsMax = 1000;
    constexpr std::int64_t kPollUs = 1000;
    http_->close_all();
    lines_->close_all();
    for (int i = 0; i < kPollsMax && http_->connections() + lines_->connections() > 0; ++i)
        deps_.reactor->poll(kPollUs);
}

void Shard::connect(std::span<Shard* const> shards, std::span<LanePort* const> lanes,
                    ColdSource& feeder, PlaceSource& places, std::size_t senders) {
    places_ = &places;
    shards_.assign(shards.begin(), shards.end());
    outbox_.resize(shards.size());
    for (std::size_t i = 0; i < shards.size(); ++i) {
        mail_.push_back(std::make_unique<core::SpscRing<Mail>>(kMailRing));
    }
    for (std::size_t i = 0; i < senders; ++i) {
        results_.push_back(
            std::make_unique<core::SpscRing<std::unique_ptr<LaneResult>>>(kResultRing));
    }
    result_waits_.assign(senders, false);
    const core::LogOffset end = deps_.database->durable_end(deps_.number);
    dispatch_ = std::make_unique<ShardDispatcher>(
        ShardDispatcher::Options{deps_.number, cursor_written_, end, deps_.queue_bytes_max}, lanes,
        feeder);
    behind_.emplace(deps_.number, *deps_.behind, commit_, *dispatch_);
    publish_figures();
}

core::Result<io::Address> Shard::listen_http(const io::Address& address, io::ListenRole role) {
    return http_->listen(address, role, transforms(io::http_tls_service()));
}

core::Result<io::Address> Shard::listen_lines(const io::Address& address, io::ListenRole role) {
    // A Unix socket is this machine's own.
    if (address.family == io::Address::Family::kUnix) return lines_->listen(address, role);
    return lines_->listen(address, role, transforms(io::line_tls_service()));
}

io::TransformMaker Shard::transforms(const io::TlsService& service) {
    if (!tls_) return {};
    return [this, &service] { return tls_->accept(service); };
}

std::size_t Shard::do_work() {
    std::size_t done = deps_.reactor->poll(0);
    done += read_mail();
    done += read_results();
    done += read_cold();
    done += run_tasks();
    done += work_backlog();
    done += late_gate_.do_work();
    done += rounds_.do_work(deps_.clock->monotonic_ns() / 1000);
    done += commit_.do_work();
    done += dispatch_->do_work();
    done += send_outbox();
    done += grpc().do_work();
    watch_pressure();
    publish_figures();
    return done;
}

void Shard::wait(std::int64_t timeout_us) {
    ingestor_.offline();
    deps_.reactor->poll(grpc().sleep_limit_us(
        late_gate_.sleep_limit_us(rounds_.sleep_limit_us(commit_.sleep_limit_us(timeout_us)))));
}

void Shard::publish_figures() {
    // release: whoever reads these sees what the duty cycle did before.
    next_offset_.store(commit_.next_offset().value, std::memory_order_release);
    handed_over_.store(dispatch_->handed_over().value, std::memory_order_release);
    cursor_.store(dispatch_->cursor().value, std::memory_order_release);
    cold_.store(dispatch_->cold(), std::memory_order_relaxed);
    waiting_.store(dispatch_->waiting(), std::memory_order_relaxed);
    const io::HttpCounters& http = http_->counters();
    metrics_.count_responses(http.responses_by_class, http.responses);
    tell_refused(http.refused + http.turned_away + http.cut_off, lines_->counters().refused);
    http_connections_.store(http_->connections(), std::memory_order_relaxed);
    line_connections_.store(lines_->connections(), std::memory_order_relaxed);
    grpc_figures_.count(edge_http_.grpc().tally());
    grpc_calls_.store(edge_http_.grpc().tally().open_calls, std::memory_order_relaxed);
    edge_idle_.store(http_->undrained() + lines_->connections() == 0 && requests_.in_use() == 0,
                     std::memory_order_release);
    commit_idle_.store(commit_.idle() && backlog_.empty() && requests_.in_use() == 0,
                       std::memory_order_release);
}

// Counted at once, told in the log once in a while.
void Shard::tell_refused(std::uint64_t http, std::uint64_t lines) {
    constexpr std::int64_t kTellEveryUs = 10'000'000;
    if (http + lines == refused_told_) return;
    metrics_.count_refused(http, lines);
    const std::int64_t now_us = deps_.clock->wall_us();
    if (now_us - refused_told_us_ < kTellEveryUs && now_us >= refused_told_us_) return;
    deps_.log->warn("shard: connections or requests were turned away",
                    {{"count", http + lines - refused_told_},
                     {"httpConnections", http_->connections()},
                     {"httpConnectionsMax", deps_.http.connections_max},
                     {"socketConnections", lines_->connections()},
                     {"socketConnectionsMax", deps_.lines.connections_max},
                     {"clientBytes", deps_.reactor->client_bytes()}});
    refused_told_ = http + lines;
    refused_told_us_ = now_us;
}

// ---- mail between shards

void Shard::send(core::ShardId to, Mail mail) {
    auto& outbox = outbox_[to.value];
    if (outbox.empty() && shards_[to.value]->mail_[deps_.number.value]->try_push(Mail(mail))) {
        shards_[to.value]->wake();
        return;
    }
    outbox.push_back(mail);  // bounded by the requests in flight
}

std::size_t Shard::send_outbox() {
    std::size_t sent = 0;
    for (std::size_t to = 0; to < outbox_.size(); ++to) {
        auto& outbox = outbox_[to];
        if (outbox.empty()) continue;
        while (!outbox.empty() &&
               shards_[to]->mail_[deps_.number.value]->try_push(Mail(outbox.front()))) {
            outbox.pop_front();
            ++sent;
        }
        shards_[to]->wake();
    }
    return sent;
}

std::size_t Shard::read_mail() {
    std::size_t count = 0;
    Mail mail;
    for (auto& ring : mail_) {
        while (ring->try_pop(mail)) {
            ++count;
            read(mail);
        }
    }
    return count;
}

void Shard::read(const Mail& mail) {
    IngestRequest& request = *mail.request;
    switch (mail.kind) {
        case Mail::Kind::kOrder: order(request); break;
        case Mail::Kind::kAppend: append_here(request); break;
        case Mail::Kind::kDone: home_done(request); break;
        case Mail::Kind::kAsk:
            keeper_.answer(request);
            send(request.edge, {Mail::Kind::kAnswered, &request});
            break;
        case Mail::Kind::kRelease:
            keeper_.release(request);
            send(request.edge, {Mail::Kind::kReleased, &request});
            break;
        case Mail::Kind::kAnswered: rounds_.answered(request); break;
        case Mail::Kind::kReleased: rounds_.released(request); break;
        case Mail::Kind::kNone: break;
    }
}

void Shard::to_keeper(core::ShardId keeper, IngestRequest& request, Mail::Kind kind) {
    if (keeper != deps_.number) {
        send(keeper, {kind, &request});
    } else if (kind == Mail::Kind::kAsk) {
        keeper_.answer(request);
        rounds_.answered(request);
    } else {
        keeper_.release(request);
        rounds_.released(request);
    }
}

// ---- a request's way

IngestRequest& Shard::take_request() {
    IngestRequest& request = requests_.take();
    request.edge = deps_.number;
    return request;
}

void Shard::drop(IngestRequest& request) { requests_.give_back(request); }

void Shard::start(IngestRequest& request) {
    if (request.body) in_flight_bytes_ += request.body.size();
    if (place_gate_.may_pass(request))
        enter(request);
    else
        place_gate_.park(request);
}

void Shard::looked(IngestRequest& request) {
    post([&request](Shard& shard) { shard.place_gate_.looked(request); });
}

void Shard::enter(IngestRequest& request) {
    if (late_gate_.try_pass(request))
        go_on(request);
    else
        late_gate_.park(request);
}

void Shard::go_on(IngestRequest& request) {
    for (const RejectedEntry& entry : request.rejected) {
        metrics_.rejected.at(core::error_code_text(entry.error.code)).add();
    }
    if (rounds_.must_wait(request))
        rounds_.begin(request);
    else
        send_to_homes(request);
}

void Shard::send_to_homes(IngestRequest& request) {
    const std::uint32_t homes = request.homes();
    request.homes_left = homes + 1;  // ours, until all homes have been asked
    if (request.atomicity == Atomicity::kEachEntry || homes <= 1) {
        hand_out(request);
    } else if (deps_.number == kOrderingShard) {
        order(request);
    } else {
        send(kOrderingShard, {Mail::Kind::kOrder, &request});
    }
    home_done(request);
}

void Shard::order(IngestRequest& request) {
    request.batch = ++batches_ordered_;
    hand_out(request);
}

void Shard::hand_out(IngestRequest& request) {
    const std::size_t homes = request.by_home.size();
    std::uint64_t asked = 0;
    for (std::size_t home = 0; home < homes; ++home)
        asked |= std::uint64_t{request.goes_to(home)} << home;
    // Once the last home has been asked the request may be gone.
    for (std::size_t home = 0; home < homes; ++home) {
        if ((asked >> home & 1) == 0) continue;
        if (home == deps_.number.value) {
            append_here(request);
        } else {
            send(core::ShardId(static_cast<std::uint16_t>(home)), {Mail::Kind::kAppend, &request});
        }
    }
}

void Shard::append_here(IngestRequest& request) {
    std::size_t next = 0;
    if (!backlog_.empty() || !commit_.append(request, next)) backlog_.push_back({&request, next});
}

std::size_t Shard::work_backlog() {
    std::size_t done = 0;
    while (!backlog_.empty() && commit_.append(*backlog_.front().request, backlog_.front().next)) {
        backlog_.pop_front();
        ++done;
    }
    return done;
}

void Shard::on_request_done(IngestRequest& request) {
    if (request.edge == deps_.number) {
        home_done(request);
    } else {
        send(request.edge, {Mail::Kind::kDone, &request});
    }
}

void Shard::home_done(IngestRequest& request) {
    MR_ASSERT(request.homes_left > 0);
    if (--request.homes_left == 0) finish(request);
}

void Shard::finish(IngestRequest& request) {
    if (rounds_.comes_again(request)) {
        rounds_.end_round(request);
        return;
    }
    late_gate_.end(request);
    if (request.body) {
        in_flight_bytes_ -= request.body.size();
        drained_bytes_ += request.body.size();
    }
    switch (request.origin) {
        case IngestOrigin::kHttp: edge_http_.finish(request); break;
        case IngestOrigin::kLine: edge_lines_.finish(request); break;
        case IngestOrigin::kGrpc: edge_http_.finish_grpc(request); break;
        case IngestOrigin::kLane: {
            // Events with a key of another shard are in its log now: the rows may follow.
            const std::unique_ptr<LaneResult> result(std::exchange(request.lane_result, nullptr));
            if (!result) break;
            result_waits_[result->lane] = false;
            if (request.failed()) break;
            tell_counted(request, *result);
            commit_lane_result(*result);
            break;
        }
    }
    rounds_.end_round(request);  // gives it back
}

void Shard::on_block_durable(const store::EventBlock& block, std::span<const DeliveryItem> items) {
    metrics_.count_unmatched(block, block.first_offset(), items);
    dispatch_->on_durable(block, items);
    deps_.uplink->events_durable();
}

// ---- what lanes bring back

bool Shard::take_result(std::uint32_t lane, std::unique_ptr<LaneResult>& result) {
    if (!results_[lane]->try_push(std::move(result))) return false;
    wake();
    return true;
}

std::size_t Shard::read_results() {
    std::size_t read = 0;
    for (std::size_t lane = 0; lane < results_.size(); ++lane) {
        // Until some of it has gone; the last two are those by whom it goes, and by whom others'
        // comes.
        if (deps_.crossing && lane + 2 < results_.size() && deps_.crossing->outbox().full())
            continue;
        for (std::size_t i = 0; i < kResultsPerCycle; ++i) {
            std::unique_ptr<LaneResult> result;
            if (result_waits_[lane] || !results_[lane]->try_pop(result)) break;
            ++read;
            result->lane = static_cast<std::uint32_t>(lane);
            take_lane_result(std::move(result));
        }
    }
    return read;
}

void Shard::take_own_events(std::string_view lines, std::span<const core::TenantId> tenants) {
    IngestRequest& request = take_request();
    request.origin = IngestOrigin::kLane;  // nobody waits for an answer
    request.entry_tenants = tenants;
    request.body = pools().acquire(lines.size());
    std::copy(lines.begin(), lines.end(), request.body.data());
    request.body.set_size(lines.size());
    auto read = ingestor_.read(request, request.body.view(), core::BatchFormat::kNdjson,
                               HomeRule::kStayHere);
    request.entry_tenants = {};
    if (!read || !request.rejected.empty()) {
        deps_.log->error(
            "shard: an event of the server's own does not read",
            {{"error", read ? request.rejected.front().error.message : read.error().message}});
    }
    start(request);
}

// What stands for something that could be no event is a dead letter with it.
void Shard::mark_letters(IngestRequest& request, const LaneResult& result) {
    for (IngestItem& item : request.items) {
        const auto letter =
            std::find_if(result.letters.begin(), result.letters.end(),
                         [&](const EmittedLetter& one) { return one.entry == item.entry; });
        if (letter == result.letters.end()) continue;
        item.event_id = request.texts.emplace_back(letter->event_id);
        item.letter_pattern = letter->pattern;
        item.dead_letter = request.texts.emplace_back(letter->why);
    }
}

void Shard::mark_traces(IngestRequest& request, const LaneResult& result) {
    for (IngestItem& item : request.items) {
        const auto at = std::lower_bound(
            result.traces.begin(), result.traces.end(), item.entry,
            [](const EmittedTrace& one, std::uint32_t entry) { return one.entry < entry; });
        if (at == result.traces.end() || at->entry != item.entry) continue;
        item.input.fills = request.texts.emplace_back(trace_fill(item.input.fills, at->text));
    }
}

void Shard::tell_counted(const IngestRequest& request, LaneResult& result) {
    if (!result.when_counted) return;
    std::exchange(result.when_counted, nullptr)(result.rows, entries_there(request));
}

void Shard::take_lane_result(std::unique_ptr<LaneResult> result) {
    if (deps_.crossing && result->emitted)
        metrics_.emitted.add(deps_.crossing->split(*result, deps_.clock->wall_us()));
    if (!result->emitted) {
        commit_lane_result(*result);
        return;
    }
    IngestRequest& request = take_request();
    request.origin = IngestOrigin::kLane;
    request.entry_tenants = result->emitted_tenants;
    request.returning = result->returning;
    request.brings_rows = result->whole;
    if (result->whole) request.atomicity = Atomicity::kAllOrNone;
    std::vector<std::uint32_t> stand_ins;
    for (const EmittedLetter& letter : result->letters) stand_ins.push_back(letter.entry);
    request.stand_ins = stand_ins;
    request.body = result->emitted;
    auto read = ingestor_.read(request, request.body.view(), core::BatchFormat::kNdjson,
                               HomeRule::kStayHere);
    request.entry_tenants = {};
    request.returning = {};
    request.stand_ins = {};
    // The handler's emit has checked all that is checked here: what is dropped is our mistake.
    if (!read) {
        deps_.log->error("shard: emitted events do not read", {{"error", read.error().message}});
        metrics_.dropped.add(result->emitted_depths.size() - request.items.size());
    }
    for (const RejectedEntry& entry : request.rejected) {
        deps_.log->error("shard: an emitted event was refused", {{"error", entry.error.message}});
        if (read) metrics_.dropped.add();
    }
    metrics_.emitted.add(request.items.size());
    if (!result->letters.empty()) [[unlikely]]
        mark_letters(request, *result);
    for (IngestItem& item : request.items) {
        const bool returned =
            std::binary_search(result->returning.begin(), result->returning.end(), item.entry);
        if (item.entry < result->emitted_depths.size() && !returned)
            item.input.fills = depth_text(result->emitted_depths[item.entry]);
    }
    if (!result->traces.empty()) [[unlikely]]
        mark_traces(request, *result);
    bool all_here = place_gate_.may_pass(request) && late_gate_.try_pass(request) &&
                    !rounds_.must_wait(request);
    for (std::size_t home = 0; home < request.by_home.size(); ++home) {
        all_here &= home == deps_.number.value || request.by_home[home].empty();
    }
    const std::uint32_t lane = result->lane;
    request.lane_result = result.release();
    result_waits_[lane] = true;
    const bool at_once = all_here && backlog_.empty();
    start(request);
    if (!at_once || !backlog_.empty()) return;
    // In the open block: the rows go into the same unit, and one write makes both durable. Where
    // nothing of it was new it is finished, and they are there already.
    result.reset(std::exchange(request.lane_result, nullptr));
    if (!result) return;
    result_waits_[lane] = false;
    tell_counted(request, *result);
    commit_lane_result(*result);
}

void Shard::commit_lane_result(LaneResult& result) {
    if (result.when_counted) std::exchange(result.when_counted, nullptr)(result.rows, {});
    behind_->take(result);
    dispatch_->count_ended(result.deliveries);
    for (const core::LogOffset first : result.finished_parts) dispatch_->finish_part(first);
    commit_.add_rows(result.rows, std::move(result.when_durable));
}

// Those of what is all or none; nobody has to wait for them.
void Shard::add_rows_of(IngestRequest& request) {
    const std::unique_ptr<LaneResult> result(std::exchange(request.lane_result, nullptr));
    if (!result) return;
    result_waits_[result->lane] = false;
    tell_counted(request, *result);
    commit_lane_result(*result);
}

std::size_t Shard::read_cold() {
    std::size_t read = 0;
    std::unique_ptr<ColdBlock> block;
    while (cold_blocks_.try_pop(block)) {
        ++read;
        metrics_.feeder_events.add(block->end.value - block->first.value);
        dispatch_->on_cold(std::move(*block));
    }
    return read;
}

bool Shard::take_cold(std::unique_ptr<ColdBlock>& block) {
    if (!cold_blocks_.try_push(std::move(block))) return false;
    wake();
    return true;
}

// ---- tasks from other threads

void Shard::post(std::function<void(Shard&)> task) {
    tasks_.push_beyond(std::move(task));
    wake();
}

std::size_t Shard::run_tasks() {
    // What tasks post comes in the next cycle.
    const std::size_t waiting = tasks_.size();
    std::size_t done = 0;
    std::function<void(Shard&)> task;
    while (done < waiting && tasks_.try_pop(task)) {
        task(*this);
        ++done;
    }
    return done;
}

// ---- the edge's gates

core::Status Shard::admit() {
    if (deps_.database->fatal() || commit_.failed()) {
        return core::fail(core::Error(core::ErrorCode::kUnavailable,
                                      "the store has failed: " + deps_.database->fatal_reason())
                              .retry_after(5));
    }
    if (draining()) return core::fail(shutting_down());
    if (!deps_.database->space().accepting()) {
        return core::fail(
            core::Error(core::ErrorCode::kUnavailable,
                        "the disk is nearly full: less than store.reserve_bytes is free, or less "
                        "than what is in memory takes to be written; reads and replay go on")
                .bound(static_cast<std::int64_t>(deps_.database->space().reserve_bytes()))
                .retry_after(30));
    }
    // relaxed: a hint; no data behind it
    if (deps_.server->short_of_memory.load(std::memory_order_relaxed)) {
        return core::fail(core::Error(core::ErrorCode::kUnavailable,
                                      "memory is short: nearly all of memory.max is taken; reads "
                                      "and deliveries go on")
                              .retry_after(std::max<std::int64_t>(1, drain_seconds())));
    }
    return {};
}

void Shard::watch_pressure() {
    if (drained_bytes_ != 0)
        drain_.drained(static_cast<std::int64_t>(std::exchange(drained_bytes_, 0)),
                       deps_.clock->monotonic_ns());
    const bool over = in_flight_bytes_ > deps_.in_flight_bytes_max;
    if (over && !paused_) {
        http_->pause_ingest();
        lines_->pause_ingest();
        paused_ = true;
    } else if (paused_ && in_flight_bytes_ < deps_.in_flight_bytes_max / 2) {
        http_->resume_ingest();
        lines_->resume_ingest();
        paused_ = false;
    }
}

void Shard::forward(api::ApiRequest&& request, io::RequestToken token) {
    deps_.uplink->handle_api(deps_.number, std::move(request), token);
}
void Shard::transform_hook(std::unique_ptr<HookTransform> transform) {
    deps_.uplink->transform_hook(deps_.number, std::move(transform));
}
void Shard::open_stream(const io::Request& request, api::RouteId route,
                        const identity::Principal& principal, std::string accept) {
    deps_.uplink->open_stream(deps_.number, request, route, principal, std::move(accept));
}
bool Shard::open_subscription(io::RequestToken call, const identity::Principal& principal,
                              grpc::SubscribeAsk&& ask) {
    return deps_.uplink->open_subscription(deps_.number, call, principal, std::move(ask));
}
bool Shard::stream_message(io::StreamToken stream, std::string&& text) {
    return deps_.uplink->stream_message(deps_.number, stream, std::move(text));
}
void Shard::stream_drained(io::StreamToken stream) {
    deps_.uplink->stream_drained(deps_.number, stream);
}
void Shard::stream_closed(io::StreamToken stream) {
    deps_.uplink->stream_closed(deps_.number, stream);
}

void Shard::drain_edge() {
    http_->drain();
    lines_->drain();
}

bool Shard::draining() const { return deps_.server->draining.load(std::memory_order_relaxed); }

void Shard::persist_cursor() {
    if (dispatch_->cursor() == cursor_written_) return;
    commit_.add_rows(store::RowBatch(), {[] {}});
    commit_.flush();
}

}  // namespace millrace::runtime
