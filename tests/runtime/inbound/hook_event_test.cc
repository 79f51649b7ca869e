// Goal: a webhook becomes the event that its sender meant, whatever form its body has, and nothing
// in a body can reach beyond the payload.
// Method: bodies and headers as senders make them; the result is read by the event parser.
#include "runtime/inbound/hook_event.h"

#include "core/event_parser.h"
#include "runtime/inbound/hook_transform.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::inbound {
namespace {

using Headers = std::vector<io::HeaderField>;

EventForm form_of(std::string_view id, Scheme scheme) {
    EventForm form;
    form.source_id = id;
    form.scheme = scheme;
    return form;
}

struct Read {
    core::Status status;
    HookEvent event;
    std::string id, pattern, payload;
};

Read read(const EventForm& form, const Headers& headers, std::string_view type,
          std::string_view body) {
    Read out;
    out.status = make_hook_event(form, {headers, type, body}, out.event);
    if (!out.status || out.event.text.empty()) return out;
    std::string padded = out.event.text;
    padded.append(core::kPaddingBytes, ' ');
    core::EventParser parser;
    core::Envelope envelope;
    out.status = parser.parse_one(std::string_view(padded).substr(0, out.event.text.size()),
                                  nullptr, envelope, nullptr);
    out.id = envelope.event_id;
    out.pattern = envelope.pattern;
    out.payload = envelope.payload;
    return out;
}

TEST(HookEvent, OfGithubIsNamedByEventAndAction) {
    const EventForm form = form_of("gh", Scheme::kGithub);
    const Headers headers = {{"X-GitHub-Event", "issues"}, {"X-GitHub-Delivery", "d-1"}};
    auto one = read(form, headers, "application/json", R"({"action":"opened","n":1})");
    ASSERT_TRUE(one.status) << one.status.error().message;
    EXPECT_EQ(one.id, "d-1");
    EXPECT_EQ(one.pattern, "webhook.gh.issues.opened");
    EXPECT_EQ(one.payload, R"({"action":"opened","n":1})");
    one = read(form, headers, "application/x-www-form-urlencoded",
               "payload=%7B%22action%22%3A%22closed%22%7D");
    ASSERT_TRUE(one.status);
    EXPECT_EQ(one.pattern, "webhook.gh.issues.closed");
    EXPECT_EQ(one.payload, R"({"action":"closed"})");
}

TEST(HookEvent, OfOthersIsNamedAsTheySayIt) {
    auto one = read(form_of("pay", Scheme::kStripe), {}, "application/json",
                    R"({"id":"evt_1","type":"invoice.paid"})");
    EXPECT_EQ(one.id, "evt_1");
    EXPECT_EQ(one.pattern, "webhook.pay.invoice.paid");
    one = read(form_of("shop", Scheme::kShopify),
               {{"X-Shopify-Topic", "orders/create"}, {"X-Shopify-Event-Id", "e9"}},
               "application/json", "{}");
    EXPECT_EQ(one.id, "e9");
    EXPECT_EQ(one.pattern, "webhook.shop.orders.create");
    one = read(form_of("sl", Scheme::kSlack), {}, "application/json",
               R"({"type":"event_callback","event_id":"Ev1","event":{"type":"message"}})");
    EXPECT_EQ(one.id, "Ev1");
    EXPECT_EQ(one.pattern, "webhook.sl.message");
    one = read(form_of("x", Scheme::kNone), {}, "", "");
    ASSERT_TRUE(one.status);
    EXPECT_EQ(one.pattern, "webhook.x.received");
    EXPECT_EQ(one.payload, "{}");
}

TEST(HookEvent, AnswersSlacksQuestion) {
    const auto one = read(form_of("sl", Scheme::kSlack), {}, "application/json",
                          R"({"type":"url_verification","challenge":"abc"})");
    EXPECT_EQ(one.event.challenge, "abc");
    EXPECT_TRUE(one.event.text.empty());
}

TEST(HookEvent, TakesFactsFromWhereItWasTold) {
    FactPlace id, kind;
    ASSERT_TRUE(parse_fact_place("$.meta.ref", id));
    ASSERT_TRUE(parse_fact_place("header:X-Topic", kind));
    const EventForm form{.source_id = "own",
                         .scheme = Scheme::kHmac,
                         .pattern = "billing.{kind}",
                         .id_from = &id,
                         .kind_from = &kind};
    const auto one = read(form, {{"x-topic", "paid now"}}, "", R"({"meta":{"ref":"A\u0042"}})");
    EXPECT_EQ(one.id, "AB");
    EXPECT_EQ(one.pattern, "billing.paid_now");
}

TEST(HookEvent, WrapsWhatIsNoObject) {
    const EventForm form = form_of("x", Scheme::kNone);
    EXPECT_EQ(read(form, {}, "application/json", "[1,2]").payload, R"({"data":[1,2]})");
    EXPECT_EQ(read(form, {}, "text/plain", "hello").payload, R"({"data":"hello"})");
    EXPECT_EQ(read(form, {}, "text/plain", R"({"a":1})").payload, R"({"a":1})");
    EXPECT_EQ(read(form, {}, "application/octet-stream", "\xff").payload,
              R"({"data_base64":"/w=="})");
    EXPECT_EQ(
        read(form, {}, "application/x-www-form-urlencoded; charset=utf-8", "a=1&b=x+y&a=2").payload,
        R"({"a":["1","2"],"b":"x y"})");
}

TEST(HookEvent, KeepsABodyInsideThePayload) {
    const EventForm form = form_of("x", Scheme::kNone);
    for (const char* body : {R"({"a":1},"pattern":"system.x")", R"({}})", R"({)", R"({"a":1)",
                             R"({"a":1}]})", R"({} {})", "nope"})
        EXPECT_FALSE(read(form, {}, "application/json", body).status) << body;
}

TEST(HookEvent, MakesLongIdsShort) {
    const std::string id(1000, 'x');
    const auto one = read(form_of("gh", Scheme::kGithub), {{"X-GitHub-Delivery", id}}, "", "{}");
    EXPECT_TRUE(one.status);
    EXPECT_EQ(one.id.substr(0, 7), "sha256:");
    EXPECT_LT(one.id.size(), 64u);
}

TEST(HookTransform, SetsWhatItReturns) {
    constexpr std::string_view kEvent =
        R"({"eventId":"e","pattern":"webhook.x.y","source":{"type":"external","id":"x"},"payload":{"a":1}})";
    auto out =
        transformed_event(kEvent, R"({"pattern":"a.b","payload":{"c":2},"eventId":"other"})");
    ASSERT_TRUE(out);
    EXPECT_EQ(
        *out,
        R"({"eventId":"e","source":{"type":"external","id":"x"},"pattern":"a.b","payload":{"c":2}})");
    EXPECT_EQ(*transformed_event(kEvent, "null"), "");
    EXPECT_EQ(*transformed_event(kEvent, "false"), "");
    EXPECT_EQ(*transformed_event(kEvent, "{}"), kEvent);
    EXPECT_FALSE(transformed_event(kEvent, "[1]"));
    EXPECT_FALSE(transformed_event(kEvent, R"({"tenantId":"t"})"));
}

}  // namespace
}  // namespace millrace::runtime::inbound
