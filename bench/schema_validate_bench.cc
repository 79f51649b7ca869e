// Question: what does an event pay for the schema of its pattern, part by part: the payload as a
// tree (read once more, or from the tokens of the event's parse), the quick check, running the
// schema over the tree, an assertion, all of it as the edge asks. Unit: an invoice
// event of about 345 bytes. Budget: 150 ns for the schema.
// Run: build/release/bench/schema_validate_bench
#include "bench/invoice_events.h"
#include "core/buffer.h"
#include "core/event_parser.h"
#include "core/json_dom.h"
#include "runtime/schema/compiler.h"
#include "runtime/schema/contract.h"
#include "runtime/schema/validator.h"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

namespace {

using namespace millrace;
namespace schema = runtime::schema;

constexpr unsigned kEvents = 1000;

constexpr const char* kInvoice = R"({"type":"object",
    "required":["invoiceId","customerId","amount","currency"],
    "properties":{"invoiceId":{"type":"string","pattern":"^inv_[0-9]+$","maxLength":32},
                  "customerId":{"type":"string","minLength":5,"maxLength":32},
                  "amount":{"type":"number","minimum":0},
                  "currency":{"enum":["EUR","USD","GBP"]},
                  "paid":{"type":"boolean"},
                  "lines":{"type":"integer","minimum":1,"maximum":1000}}})";

struct Events {
    Events() {
        for (unsigned i = 0; i < kEvents; ++i) {
            texts.push_back(bench::invoice_event(i));
            const std::size_t bytes = texts.back().size();
            texts.back().append(core::kPaddingBytes, ' ');
            parsers.emplace_back();
            envelopes.emplace_back();
            const auto read =
                parsers.back().parse_one(std::string_view(texts.back()).substr(0, bytes), nullptr,
                                         envelopes.back(), nullptr);
            if (!read) std::abort();
        }
    }
    std::deque<std::string> texts;
    std::deque<core::EventParser> parsers;
    std::deque<core::Envelope> envelopes;
};
const Events& events() {
    static const Events all;
    return all;
}

void report(benchmark::State& state) {
    state.SetItemsProcessed(state.iterations() * kEvents);
    state.counters["ns_per_event"] =
        benchmark::Counter(static_cast<double>(state.iterations()) * kEvents * 1e-9,
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void read_payload(benchmark::State& state) {
    core::JsonDom dom;
    for (auto _ : state) {
        for (const core::Envelope& envelope : events().envelopes)
            benchmark::DoNotOptimize(dom.parse(envelope.payload));
    }
    report(state);
}
BENCHMARK(read_payload);

// From the tokens that the event's parse has found, as the edge does.
void share_payload(benchmark::State& state) {
    core::JsonDom dom;
    core::JsonElement root;
    for (auto _ : state) {
        for (unsigned i = 0; i < kEvents; ++i) {
            if (!events().parsers[i].payload(events().envelopes[i], dom, root)) std::abort();
            benchmark::DoNotOptimize(root);
        }
    }
    report(state);
}
BENCHMARK(share_payload);

// What fits, as the edge asks it: from the tokens of the event's parse.
void run_quickly(benchmark::State& state) {
    const auto contract = schema::Contract::make(kInvoice, {});
    if (!contract) std::abort();
    for (auto _ : state) {
        for (unsigned i = 0; i < kEvents; ++i) {
            core::JsonPlace place;
            if (!events().parsers[i].payload(events().envelopes[i], place)) std::abort();
            if (!(*contract)->fits_quickly(place)) std::abort();
        }
    }
    report(state);
}
BENCHMARK(run_quickly);

// What does not fit, or is left open, is asked so.
void run_schema(benchmark::State& state) {
    const auto program = schema::compile_schema(kInvoice);
    if (!program) std::abort();
    std::deque<core::JsonDom> doms(kEvents);
    std::vector<core::JsonElement> roots;
    for (unsigned i = 0; i < kEvents; ++i)
        roots.push_back(*doms[i].parse(events().envelopes[i].payload));
    for (auto _ : state) {
        for (const core::JsonElement root : roots)
            if (!schema::fits(**program, root)) std::abort();
    }
    report(state);
}
BENCHMARK(run_schema);

void judge(benchmark::State& state, const std::vector<schema::SchemaRule>& rules) {
    const auto contract = schema::Contract::make(kInvoice, rules);
    if (!contract) std::abort();
    core::JsonDom dom;
    for (auto _ : state) {
        for (unsigned i = 0; i < kEvents; ++i) {
            core::JsonPlace place;
            if (!events().parsers[i].payload(events().envelopes[i], place)) std::abort();
            if (!(*contract)->fits_quickly(place)) std::abort();
            if (rules.empty()) continue;
            core::JsonElement root;
            if (!events().parsers[i].payload(events().envelopes[i], dom, root)) std::abort();
            if (!(*contract)->judge_fitting(events().envelopes[i], root).empty()) std::abort();
        }
    }
    report(state);
}
BENCHMARK_CAPTURE(judge, schema, {});
BENCHMARK_CAPTURE(judge, schema_and_assertion,
                  {schema::SchemaRule::assertion("$.amount >= 0 && $.lines < 100")});
BENCHMARK_CAPTURE(judge, schema_and_comparison,
                  {schema::SchemaRule::assertion("$.amount >= $.lines || $.lines > 0")});

}  // namespace

BENCHMARK_MAIN();
