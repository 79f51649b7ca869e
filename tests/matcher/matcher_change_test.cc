// Goal: changes under full matching: every answer is that of the old or the new set, whole; nothing
//       is allocated per event; an announced change is effective.
// Method: a writer changes pairs of subscriptions that must always be seen together while a reader
//       matches
//         without pause and checks each answer; a counting operator new.
#include "core/event_parser.h"
#include "core/random.h"
#include "matcher/matcher.h"
#include "matcher/subscription_spec.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace {
std::atomic<std::size_t> allocations{0};
thread_local bool counting = false;
}  // namespace

// Inlined, our pair looks like a mismatched one to g++.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
// NOLINTBEGIN: replaced for the whole test program
void* operator new(std::size_t bytes) {
    // a counter, nothing hangs on it
    if (counting) allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* p = std::malloc(bytes)) return p;
    throw std::bad_alloc();
}
void* operator new[](std::size_t bytes) { return operator new(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    if (counting) allocations.fetch_add(1, std::memory_order_relaxed);  // as above
    return std::malloc(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t& no) noexcept {
    return operator new(bytes, no);
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
// NOLINTEND

namespace millrace::matcher {
namespace {

using core::SubscriptionId;
using core::TenantId;

Predicate condition(const std::string& name, Op op, std::vector<Scalar> operands,
                    bool negated = false) {
    Leaf leaf;
    leaf.path.steps.resize(2);
    leaf.path.steps[0].name = "payload";
    leaf.path.steps[1].name = name;
    leaf.op = op;
    leaf.negated = negated;
    leaf.operands = std::move(operands);
    return Predicate::of(std::move(leaf));
}

SubscriptionSpec on_key(std::uint32_t key) {
    SubscriptionSpec spec;
    spec.pattern = {PatternPredicate::Kind::kExact, "a.b"};
    spec.predicate = condition("key", Op::kEquals, {Scalar::string("k" + std::to_string(key))});
    return spec;
}

std::string event_text(std::uint32_t key) {
    return R"({"pattern":"a.b","payload":{"key":"k)" + std::to_string(key) +
           R"(","n":5,"s":"Some text"}})";
}

// Subscription k of generation g has number g * kKeys + k; each change moves a key's pair (2k, 2k+1
// of the numbers) to a new generation. A reader must see exactly one generation, both halves of it.
constexpr std::uint32_t kKeys = 64;
constexpr int kChanges = 3000;

TEST(MatcherChanges, EveryAnswerIsTheOldOrTheNewSetWhole) {
    Matcher matcher(Matcher::Options{.delta_changes_max = 500});
    std::vector<std::uint32_t> generation(kKeys, 0);
    std::uint32_t next = 0;
    const auto put_pair = [&](std::uint32_t key) {
        generation[key] = next;
        for (std::uint32_t half = 0; half < 2; ++half) {
            ASSERT_TRUE(matcher.add(SubscriptionId(next++), TenantId(0), on_key(key)));
        }
    };
    for (std::uint32_t key = 0; key < kKeys; ++key) put_pair(key);
    matcher.publish();
    std::atomic<bool> stop{false};
    std::atomic<std::size_t> answers{0};
    std::atomic<std::size_t> wrong{0};
    Matcher::Reader reader = matcher.register_reader();
    std::thread reading([&] {
        core::EventParser parser;
        core::FieldTable fields;
        core::Envelope envelope;
        MatchScratch scratch;
        std::vector<SubscriptionId> out;
        std::vector<std::uint32_t> newest(kKeys, 0);
        core::Random random(3);
        while (!stop.load(std::memory_order_relaxed)) {  // a flag, nothing else is read by it
            const Snapshot& snapshot = reader.observe();
            for (int i = 0; i < 50; ++i) {
                const auto key = static_cast<std::uint32_t>(random.below(kKeys));
                std::string text = event_text(key);
                const std::size_t size = text.size();
                text.append(64, ' ');
                if (!parser.parse_one({text.data(), size}, &snapshot.plan(), envelope, &fields))
                    ++wrong;
                snapshot.match(envelope, TenantId(0), fields, scratch, out);
                const bool whole =
                    out.size() == 2 && out[1].value == out[0].value + 1 && out[0].value % 2 == 0;
                // Generations never go back.
                if (!whole || out[0].value < newest[key]) {
                    ++wrong;
                } else {
                    newest[key] = out[0].value;
                }
                ++answers;
            }
        }
        reader.offline();
    });
    core::Random random(4);
    for (int i = 0; i < kChanges; ++i) {
        const auto key = static_cast<std::uint32_t>(random.below(kKeys));
        const std::uint32_t old = generation[key];
        EXPECT_TRUE(matcher.remove(SubscriptionId(old)));
        EXPECT_TRUE(matcher.remove(SubscriptionId(old + 1)));
        put_pair(key);
        matcher.publish();
        matcher.maintain();
    }
    // The last change is effective as soon as the reader has passed a boundary.
    const std::uint64_t epoch = matcher.publish();
    while (!matcher.all_observed(epoch)) std::this_thread::yield();
    stop = true;
    reading.join();
    EXPECT_EQ(wrong.load(), 0u) << "of " << answers.load();
    // The rebuild has a thread of its own: it ends when that one gets its turn.
    while (matcher.stats().rebuilds == 0) {
        matcher.maintain();
        std::this_thread::yield();
    }
    EXPECT_EQ(matcher.stats().subscriptions, 2 * kKeys);
}

TEST(MatcherChanges, MatchingAllocatesNothingPerEvent) {
    Matcher matcher;
    std::uint32_t id = 0;
    const auto add = [&](SubscriptionSpec spec) {
        ASSERT_TRUE(matcher.add(SubscriptionId(id++), TenantId(0), spec));
    };
    for (std::uint32_t key = 0; key < 500; ++key) add(on_key(key));
    SubscriptionSpec spec;
    spec.predicate = condition("s", Op::kContainsIgnoreCase, {Scalar::string("text")});
    add(spec);
    spec.predicate = condition("n", Op::kRange, {Scalar::number("1"), Scalar::null()});
    add(spec);
    spec.predicate = condition("s", Op::kWildcard, {Scalar::string("*e*t*")}, true);
    add(spec);
    spec.pattern = {PatternPredicate::Kind::kRegex, "^a\\.(b|c)$"};
    spec.predicate = Predicate::all_of({condition("s", Op::kRegex, {Scalar::string("[A-Z].*\\s")}),
                                        condition("n", Op::kExists, {})});
    add(spec);
    // Conditions that must hold in one element, alternatives, a negation, an expression that has
    // no literal.
    const auto filter = [&](const std::string& text) {
        auto parsed = parse_subscription_json("{\"filter\":\"" + text + "\"}");
        ASSERT_TRUE(parsed) << parsed.error().message;
        add(*parsed);
    };
    filter("$.items[*].sku == 'b' && $.items[*].n > 1 && $.items[*].tags == 'x'");
    filter("$.items.sku == 'a' && ($.items.n == 2 || $.items.n == 3 || $.items.tags == 'y')");
    filter("!($.items.sku == 'a' && $.items.n == 1) && $.items[0].sku == 'a'");
    filter("$.s matches '^[^a]+[a-z]$' && $.items.n >= 1");
    matcher.publish();
    Matcher::Reader reader = matcher.register_reader();
    const Snapshot& snapshot = reader.observe();
    core::EventParser parser;
    core::FieldTable fields;
    core::Envelope envelope;
    MatchScratch scratch;
    std::vector<SubscriptionId> out;
    std::string batch;
    for (std::uint32_t i = 0; i < 1000; ++i) {
        batch += event_text(i % 600) + "\n";
        batch += R"({"pattern":"a.b","payload":{"s":"Some text","items":[{"sku":"a","n":)" +
                 std::to_string(i % 4) + R"(},{"sku":"b","n":)" + std::to_string(i % 3) +
                 R"(,"tags":["x","y"]},{"sku":"a","n":2,"tags":[["y"]]}]}})" + "\n";
    }
    const std::size_t size = batch.size();
    batch.append(64, ' ');
    core::Error error;
    std::size_t matches = 0;
    const auto round = [&] {
        ASSERT_TRUE(parser.begin({batch.data(), size}, core::BatchFormat::kNdjson));
        while (parser.next(&snapshot.plan(), envelope, &fields, error) ==
               core::ParseOutcome::kEvent) {
            snapshot.match(envelope, TenantId(0), fields, scratch, out);
            matches += out.size();
        }
    };
    round();  // to working size
    allocations = 0;
    counting = true;
    for (int i = 0; i < 10; ++i) round();
    counting = false;
    EXPECT_EQ(allocations.load(), 0u);
    EXPECT_GT(matches, 30'000u);
}

}  // namespace
}  // namespace millrace::matcher
