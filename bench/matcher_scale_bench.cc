// Question: what does one event cost against 10 to 1,000,000 subscriptions, and what does a
// subscription weigh? Unit: ns per event, load, parse and match apart. Budget: the mix at 10,000 <=
// 250 ns beyond parsing, at 1 M <= twice that; A and B flat within 1.5; <= 250 bytes a
// subscription; 1 M loaded in <= 3 s. Run: [EVENTS=n] build/release/bench/matcher_scale_bench [size
// ...]
#include "bench/matcher_harness.h"
#include "core/random.h"

#include <string>

namespace {

using namespace millrace::bench;
using millrace::core::Random;

Random at(std::size_t i) { return Random(i * 2654435761u + 17); }
std::string number(std::uint64_t value) { return std::to_string(value); }

std::string envelope(const std::string& pattern, const std::string& payload) {
    return R"({"eventId":"evt_00000001","pattern":")" + pattern +
           R"(","source":{"type":"integration","id":"billing"},"timestamp":"2026-01-15T10:00:00Z","payload":{)" +
           payload + "}}";
}
SubscriptionSpec on(const PatternPredicate& pattern, Predicate predicate) {
    return {pattern, std::move(predicate), 0};
}

// {type = 1 of 200, tenant = 1 of N/100}: half a match an event.
SubscriptionSpec spec_a(std::size_t i, std::size_t n) {
    Random r = at(i);
    const std::string type = "type" + number(r.below(200)) + ".created";
    return on({PatternPredicate::Kind::kExact, type},
              text_is("payload.tenantID",
                      "tenant-" + number(r.below(std::max<std::size_t>(1, n / 100)))));
}
// A and amount > U(0, 10000): a quarter.
SubscriptionSpec spec_b(std::size_t i, std::size_t n) {
    Random r = at(i);
    SubscriptionSpec spec = spec_a(i, n);
    r.next();
    spec.predicate = Predicate::all_of({spec.predicate, above("payload.amount", r.unit() * 10000)});
    return spec;
}
std::string event_ab(std::size_t i, std::size_t n) {
    Random r = at(i + 1'000'000'007);
    return envelope("type" + number(r.below(200)) + ".created",
                    R"("tenantID":"tenant-)" + number(r.below(std::max<std::size_t>(1, n / 100))) +
                        R"(","amount":)" + number(r.below(10000)) +
                        R"(,"currency":"EUR","note":"thank you")");
}

SubscriptionSpec spec_exact(std::size_t i, std::size_t) {
    return on({PatternPredicate::Kind::kExact, "svc" + number(i) + ".created"},
              Predicate::always());
}
SubscriptionSpec spec_prefix(std::size_t i, std::size_t) {
    return on({PatternPredicate::Kind::kPrefix, "svc" + number(i) + "."}, Predicate::always());
}
SubscriptionSpec spec_regex(std::size_t i, std::size_t) {
    return on({PatternPredicate::Kind::kRegex, "^[a-z]+" + number(i) + "\\.(created|updated)$"},
              Predicate::always());
}
std::string event_svc(std::size_t i, std::size_t n) {
    return envelope("svc" + number(at(i).below(n)) + ".created", R"("amount":12.5)");
}

// 60 % pattern and equality, 15 % prefix and range, 10 % in, 10 % wildcard or contains, 5 % regex.
// Services and regions grow with N, so that an event always matches about as many.
std::size_t services(std::size_t n) { return std::max<std::size_t>(4, n / 100); }
std::size_t regions_of(std::size_t n) { return std::max<std::size_t>(4, n / 5); }
const char* verb(std::uint64_t i) {
    static const char* const kVerbs[] = {"created", "updated", "deleted", "paid"};
    return kVerbs[i % 4];
}
SubscriptionSpec spec_mix(std::size_t i, std::size_t n) {
    using Kind = PatternPredicate::Kind;
    Random r = at(i);
    const std::string service = "svc" + number(r.below(services(n)));
    const std::uint64_t kind = r.below(100);
    if (kind < 60) {
        return on({Kind::kExact, service + "." + verb(r.next())},
                  text_is("payload.customerId", "cus_" + number(r.below(1000))));
    }
    if (kind < 75) {
        const double from = r.unit() * 10000;
        return on({Kind::kPrefix, service + "."}, between("payload.amount", from, from + 500));
    }
    if (kind < 85) {
        std::vector<Scalar> regions;
        for (int k = 0; k < 3; ++k)
            regions.push_back(Scalar::string("region-" + number(r.below(regions_of(n)))));
        return on({Kind::kAny, ""}, condition("payload.region", Op::kEquals, regions));
    }
    if (kind < 90)
        return on({Kind::kWildcard, service + ".*ed"}, above("payload.amount", r.unit() * 10000));
    if (kind < 95) {
        return on({Kind::kAny, ""}, condition("payload.note", Op::kContains,
                                              {Scalar::string("ref-" + number(r.below(n)) + " ")}));
    }
    return on({Kind::kRegex, "^[a-z]+" + number(r.below(services(n))) + "\\.(created|updated)$"},
              text_is("payload.currency", "EUR"));
}
std::string event_mix(std::size_t i, std::size_t n) {
    Random r = at(i + 1'000'000'007);
    const std::string pattern = "svc" + number(r.below(services(n))) + "." + verb(r.next());
    return envelope(pattern, R"("customerId":"cus_)" + number(r.below(1000)) + R"(","amount":)" +
                                 number(r.below(10000)) + R"(,"region":"region-)" +
                                 number(r.below(regions_of(n))) +
                                 R"(","currency":"EUR","note":"invoice ref-)" + number(r.below(n)) +
                                 R"( of today")");
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::size_t> sizes;
    for (int i = 1; i < argc; ++i) {
        if (argv[i][0] != '-') sizes.push_back(std::strtoull(argv[i], nullptr, 10));
    }
    if (sizes.empty())
        sizes = smoke() ? std::vector<std::size_t>{10, 1000}
                        : std::vector<std::size_t>{10, 1000, 10'000, 100'000, 1'000'000};
    const std::vector<Workload> workloads = {
        {"A", spec_a, event_ab},
        {"B", spec_b, event_ab},
        {"exact", spec_exact, event_svc, 1},
        {"prefix", spec_prefix, event_svc, 1},
        {"regex", spec_regex, event_svc, -1},
        {"mix", spec_mix, event_mix},
    };
    const char* only = std::getenv("WORKLOAD");
    print_header();
    for (const Workload& workload : workloads) {
        if (only && workload.name != only) continue;
        for (const std::size_t n : sizes) print_row(workload.name, n, Bench(workload, n).run());
    }
}
