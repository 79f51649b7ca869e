// Question: the workloads that hypermatch publishes, parse included: events per second at 1,000 to
// 100,000? Unit: one event of 100 to 250 bytes, validated whole. Budget: mixed at 100,000 >= 1.5 M
// events/s. Run: build/release/bench/matcher_hypermatch_bench [size ...]
#include "bench/matcher_harness.h"

namespace {

using namespace millrace::bench;

std::string number(std::size_t value) { return std::to_string(value); }
Predicate any_text(const std::string& path, const std::vector<std::string>& values) {
    std::vector<Scalar> scalars;
    for (const std::string& value : values) scalars.push_back(Scalar::string(value));
    return condition(path, Op::kEquals, std::move(scalars));
}
SubscriptionSpec all(std::vector<Predicate> predicates) {
    SubscriptionSpec spec;
    spec.predicate = Predicate::all_of(std::move(predicates));
    return spec;
}
Predicate like(const std::string& path, Op op, const std::string& value, bool negated = false) {
    return condition(path, op, {Scalar::string(value)}, negated);
}
std::string event_of(const std::string& payload) {
    return R"({"pattern":"app.event","payload":{)" + payload + "}}";
}

SubscriptionSpec mixed(std::size_t i, std::size_t n) {
    return all({like("payload.name", Op::kWildcard, "*-myapp-*"), text_is("payload.env", "prod"),
                condition("payload.number", Op::kEquals, {Scalar::number(number(i % (n / 10)))}),
                text_is("payload.tags", "tag1"), text_is("payload.tags", "tag2"),
                like("payload.region", Op::kEquals, "moon", true),
                any_text("payload.type", {"app", "database"})});
}
std::string mixed_event(std::size_t i, std::size_t n, const char* type) {
    return event_of(R"("name":"service-myapp-)" + number(i) + R"(","env":"prod","number":)" +
                    number(i * 7 % (n / 10)) +
                    R"(,"tags":["tag1","tag2","tag3"],"region":"earth","type":")" + type + "\"");
}
const char* env(std::size_t i) {
    static const char* const kEnvs[] = {"prod", "dev", "test", "stage"};
    return kEnvs[i % 4];
}

std::vector<Workload> workloads() {
    const auto svc = [](std::size_t i) { return "svc-" + number(i); };
    return {
        {"mixed", mixed, [](std::size_t i, std::size_t n) { return mixed_event(i, n, "app"); }, 10},
        {"nearmiss", mixed, [](std::size_t i, std::size_t n) { return mixed_event(i, n, "cache"); },
         0},
        {"equals",
         [=](std::size_t i, std::size_t) {
             return all({text_is("payload.service", svc(i / 4)), text_is("payload.env", env(i))});
         },
         [=](std::size_t i, std::size_t n) {
             return event_of(R"("service":")" + svc(i * 7 % (n / 4)) + R"(","env":")" + env(i) +
                             "\"");
         },
         1},
        {"wildcard",
         [](std::size_t i, std::size_t) {
             return all({like("payload.name", Op::kWildcard, "*-app" + number(i) + "-*"),
                         text_is("payload.env", "prod")});
         },
         [](std::size_t i, std::size_t n) {
             return event_of(R"("name":"eu-app)" + number(i * 7 % n) +
                             R"(-frontend","env":"prod")");
         },
         1},
        {"prefix",
         [](std::size_t i, std::size_t) {
             return all({like("payload.url", Op::kPrefix, "/api/v1/r" + number(i) + "/"),
                         any_text("payload.method", {"get", "post"})});
         },
         [](std::size_t i, std::size_t n) {
             return event_of(R"("url":"/api/v1/r)" + number(i * 7 % n) +
                             R"(/items/17","method":"get")");
         },
         1},
        {"numeric",
         [=](std::size_t i, std::size_t) {
             return all({text_is("payload.service", svc(i / 10)),
                         above("payload.latency", 100.0 * static_cast<double>(i % 10))});
         },
         [=](std::size_t i, std::size_t n) {
             return event_of(R"("service":")" + svc(i * 7 % (n / 10)) + R"(","latency":550)");
         },
         6},
        {"anythingbut",
         [=](std::size_t i, std::size_t) {
             return all({like("payload.region", Op::kEquals, "r" + number(i % 100), true),
                         text_is("payload.service", svc(i / 100))});
         },
         [=](std::size_t i, std::size_t n) {
             return event_of(R"("region":"r)" + number(i % 100) + R"(","service":")" +
                             svc(i * 7 % (n / 100)) + "\"");
         },
         99},
        {"cidr",
         [](std::size_t i, std::size_t) {
             const std::string block =
                 "10." + number(i / 2 >> 12 & 255) + "." + number(i / 2 >> 4 & 255) + "." +
                 number((i / 2 & 15) * 16 + (i % 2) * 8) + (i % 2 ? "/30" : "/28");
             return all({like("payload.ip", Op::kCidr, block)});
         },
         // Addresses in the upper quarter of a /28: inside it and outside its /30.
         [](std::size_t i, std::size_t n) {
             const std::size_t k = i * 7 % (n / 2);
             return event_of(R"("ip":"10.)" + number(k >> 12 & 255) + "." + number(k >> 4 & 255) +
                             "." + number((k & 15) * 16 + 13) + "\"");
         },
         1},
    };
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::size_t> sizes;
    for (int i = 1; i < argc; ++i) {
        if (argv[i][0] != '-') sizes.push_back(std::strtoull(argv[i], nullptr, 10));
    }
    if (sizes.empty())
        sizes = smoke() ? std::vector<std::size_t>{1000}
                        : std::vector<std::size_t>{1000, 10'000, 100'000};
    print_header();
    for (const Workload& workload : workloads()) {
        for (const std::size_t n : sizes) print_row(workload.name, n, Bench(workload, n).run());
    }
}
