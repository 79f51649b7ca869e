// Question: what does validating an event and taking four of its fields cost, beside simdjson's two
// ways? Unit: one event of about 345 bytes out of an NDJSON batch of 1000. Budget: 140 ns.
// Run: build/release/bench/core_event_parser_bench
#include "bench/invoice_events.h"
#include "core/event_parser.h"

#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <cstdlib>
#include <string>

namespace {

using namespace millrace;

constexpr std::size_t kEvents = 1000;

const std::string& batch() {
    static const std::string text = [] {
        std::string all;
        for (unsigned i = 0; i < kEvents; ++i) all += bench::invoice_event(i) + "\n";
        all.append(simdjson::SIMDJSON_PADDING, '\0');
        return all;
    }();
    return text;
}
std::size_t batch_bytes() { return batch().size() - simdjson::SIMDJSON_PADDING; }

void report(benchmark::State& state) {
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kEvents));
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch_bytes()));
    state.counters["ns_per_event"] =
        benchmark::Counter(static_cast<double>(state.iterations()) * kEvents * 1e-9,
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

core::FieldPlan four_fields() {
    core::FieldPlanBuilder builder;
    for (const char* key : {"invoiceId", "amount", "currency", "customerId"}) {
        builder.add(
            {{core::FieldStep::Kind::kName, "payload", 0}, {core::FieldStep::Kind::kName, key, 0}});
    }
    return builder.build();
}

void parse(benchmark::State& state, const core::FieldPlan* plan) {
    core::EventParser parser;
    core::Envelope envelope;
    core::FieldTable fields;
    core::Error error;
    for (auto _ : state) {
        std::size_t good = 0;
        if (!parser.begin({batch().data(), batch_bytes()}, core::BatchFormat::kNdjson))
            std::abort();
        while (parser.next(plan, envelope, plan ? &fields : nullptr, error) ==
               core::ParseOutcome::kEvent) {
            good += !envelope.pattern.empty();
            if (plan) benchmark::DoNotOptimize(fields.values().data());
        }
        if (good != kEvents) std::abort();
    }
    report(state);
}

void BM_MillraceEnvelope(benchmark::State& state) { parse(state, nullptr); }
void BM_MillraceFourFields(benchmark::State& state) {
    const core::FieldPlan plan = four_fields();
    parse(state, &plan);
}

void BM_SimdjsonDomFourFields(benchmark::State& state) {
    simdjson::dom::parser parser;
    for (auto _ : state) {
        std::size_t good = 0;
        simdjson::dom::document_stream stream;
        if (parser.parse_many(batch().data(), batch_bytes(), 1 << 20).get(stream)) std::abort();
        for (auto doc : stream) {
            std::string_view a, b, c, d;
            double amount = 0;
            auto payload = doc["payload"];
            const bool ok = !doc["pattern"].get(a) && !payload["invoiceId"].get(b) &&
                            !payload["amount"].get(amount) && !payload["currency"].get(c) &&
                            !payload["customerId"].get(d);
            good += ok;
            benchmark::DoNotOptimize(amount);
        }
        if (good != kEvents) std::abort();
    }
    report(state);
}

// Does not validate what it does not read.
void BM_SimdjsonOnDemandFourFields(benchmark::State& state) {
    simdjson::ondemand::parser parser;
    for (auto _ : state) {
        std::size_t good = 0;
        simdjson::ondemand::document_stream stream;
        if (parser.iterate_many(batch().data(), batch_bytes(), 1 << 20).get(stream)) std::abort();
        for (auto doc : stream) {
            std::string_view a, b, c, d;
            double amount = 0;
            if (doc["pattern"].get(a)) std::abort();
            simdjson::ondemand::object payload;
            if (doc["payload"].get(payload)) std::abort();
            const bool ok = !payload["invoiceId"].get(b) && !payload["customerId"].get(d) &&
                            !payload["amount"].get(amount) && !payload["currency"].get(c);
            good += ok;
            benchmark::DoNotOptimize(amount);
        }
        if (good != kEvents) std::abort();
    }
    report(state);
}

BENCHMARK(BM_MillraceEnvelope);
BENCHMARK(BM_MillraceFourFields);
BENCHMARK(BM_SimdjsonOnDemandFourFields);
BENCHMARK(BM_SimdjsonDomFourFields);

}  // namespace

BENCHMARK_MAIN();
