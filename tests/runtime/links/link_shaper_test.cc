// Goal: a link's script reshapes a source's event and what a stream sends, by the rules of
// webhooks, the same each time; what fails is told by its text and no other; links take turns.
// Method: scripts in a registry, a store for kv, jobs by hand; with LinkEvents, what becomes of it
// in the log.
#include "runtime/links/link_shaper.h"

#include "core/base64.h"
#include "core/json_writer.h"
#include "runtime/links/link_events.h"
#include "runtime/registry/registry.h"
#include "tests/runtime/registry/memory_registry_rows.h"
#include "tests/store/store_fixture.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

namespace millrace::runtime {
namespace {

// Time passes with each look at it.
class TickingClock final : public core::Clock {
public:
    std::int64_t wall_us() const override { return 1'700'000'000'000'000; }
    std::int64_t monotonic_ns() const override { return now_ns_ += step_ns; }
    std::int64_t step_ns = 0;

private:
    mutable std::int64_t now_ns_ = 0;
};

class LinkShaperTest : public store::test::StoreTest {
protected:
    void SetUp() override {
        open();
        registry_ = *Registry::open(rows_, clock_, random_, {});
        shaper_ = std::make_unique<LinkShaper>(LinkShaper::Deps{
            &ticking_, &database_->kv(), nullptr, [this] { return registry_->snapshot(); }, 1});
    }
    LinkRef link(const std::string& source, LinkDirection direction = LinkDirection::kIn) {
        const std::string id = "t" + std::to_string(++scripts_);
        std::string body = R"({"id":")" + id + R"(","source":)";
        core::append_json_string(body, source);
        auto made = registry_->table<Script>().create({.tenant = {}}, body + "}");
        EXPECT_TRUE(made) << made.error().message;
        auto out = std::make_shared<Link>();
        out->id = "in";
        out->direction = direction;
        out->config.format = LinkFormat::kPayload;
        out->config.pattern = "order.placed";
        out->transform_script_id = id;
        out->transform_script = made->after->number;
        return out;
    }
    std::vector<LinkShaper::Text> shape(const LinkRef& link, std::vector<LinkShaper::Text> texts) {
        std::vector<LinkShaper::Text> out;
        auto job = std::make_unique<LinkShaper::Job>();
        job->link = link;
        job->texts = std::move(texts);
        job->done = [&](LinkShaper::Job&& done) { out = std::move(done.texts); };
        shaper_->shape(std::move(job));
        while (shaper_->do_work() > 0) {
        }
        return out;
    }
    static LinkShaper::Text text(const std::string& event, const std::string& id = "in:1") {
        LinkShaper::Text out;
        out.event = event;
        out.id = id;
        out.pattern = "order.placed";
        return out;
    }
    LinkShaper::Text one(const LinkRef& link, const std::string& event) {
        return shape(link, {text(event)}).at(0);
    }

    TickingClock ticking_;
    MemoryRegistryRows rows_;
    core::Random random_{1};
    std::unique_ptr<Registry> registry_;
    std::unique_ptr<LinkShaper> shaper_;
    int scripts_ = 0;
};

constexpr const char* kEvent =
    R"({"eventId":"in:1","pattern":"order.placed","source":{"type":"integration","id":"in"},"payload":{"n":5}})";

TEST_F(LinkShaperTest, ASourcesEventGetsTheMembersThatItReturns) {
    const auto out = one(link("return function(e) return {payload = {twice = e.payload.n * 2}, "
                              "partitionKey = 'k'} end"),
                         kEvent);
    EXPECT_EQ(out.error, "");
    EXPECT_NE(out.shaped.find(R"("payload":{"twice":10})"), std::string::npos) << out.shaped;
    EXPECT_NE(out.shaped.find(R"("eventId":"in:1")"), std::string::npos);
    EXPECT_NE(out.shaped.find(R"("partitionKey":"k")"), std::string::npos);
}

TEST_F(LinkShaperTest, WhoReturnsTheEventThatItGotLeavesItAsItIs) {
    const auto same = one(link("return function(e) return e end"), kEvent);
    EXPECT_EQ(same.error, "");
    EXPECT_NE(same.shaped.find(R"("payload":{"n":5})"), std::string::npos) << same.shaped;
    EXPECT_NE(same.shaped.find(R"("pattern":"order.placed")"), std::string::npos) << same.shaped;
}

TEST_F(LinkShaperTest, WhatAScriptLogsComesWithItsText) {
    const std::string good =
        "return function(e) sdk.log.info('seen', {n = 5}) return {body = 'x'} end";
    const std::string bad = "return function(e) sdk.log.warn('so far') error('no') end";
    const std::string in = "return function(e) sdk.log.info('seen', {n = 5}) return {} end";
    for (const auto& [source, direction, said] :
         {std::tuple(in, LinkDirection::kIn, "seen"), std::tuple(bad, LinkDirection::kIn, "so far"),
          std::tuple(good, LinkDirection::kOut, "seen"),
          std::tuple(bad, LinkDirection::kOut, "so far")}) {
        const auto out = one(link(source, direction), kEvent);
        EXPECT_NE(out.logs_json.find(said), std::string::npos) << source << out.logs_json;
    }
    EXPECT_EQ(one(link("return function(e) return {} end"), kEvent).logs_json, "");
}

TEST_F(LinkShaperTest, WhatFailsIsNamed) {
    for (const auto& [source, what] : std::vector<std::pair<std::string, std::string>>{
             {"return function() error('bad luck') end", "bad luck"},
             {"return function() return {eventKind = 1} end", "eventKind"},
             {"return function() return 7 end", "table"},
             {"return function() sdk.kv.set('a', 1) return {} end", "only reshapes"},
             {"return function() sdk.sleep(1) return {} end", "can not wait"},
         }) {
        const auto out = one(link(source), kEvent);
        EXPECT_TRUE(out.error.starts_with("TRANSFORM_FAILED: ")) << source << out.error;
        EXPECT_NE(out.error.find(what), std::string::npos) << out.error;
        EXPECT_EQ(out.shaped, "");
    }
}

TEST_F(LinkShaperTest, AStreamSendsTheBodyThatItReturns) {
    const auto sink = [&](const std::string& source) {
        return one(link(source, LinkDirection::kOut), kEvent);
    };
    EXPECT_EQ(sink("return function(e) return {body = 'n=' .. e.payload.n} end").shaped, "n=5");
    EXPECT_EQ(sink("return function(e) return {body = {n = e.payload.n}} end").shaped,
              R"({"n":5})");
    const auto nothing = sink("return function() return nil end");
    EXPECT_EQ(nothing.shaped + nothing.error, "");
    EXPECT_NE(sink("return function() return {body = '', headers = {['X-A'] = 'b'}} end")
                  .error.find("a link sends a body only"),
              std::string::npos);
}

TEST_F(LinkShaperTest, TheSameEntryIsTheSameEachTime) {
    const LinkRef of = link("return function(e) return {payload = {r = sdk.crypto.uuid()}} end");
    const auto first = shape(of, {text(kEvent), text(kEvent, "in:2")});
    const auto second = shape(of, {text(kEvent), text(kEvent, "in:2")});
    EXPECT_EQ(first[0].shaped, second[0].shaped);
    EXPECT_NE(first[0].shaped, first[1].shaped);
    EXPECT_EQ(first[0].error, "");
}

TEST_F(LinkShaperTest, WhatIsLeftOutIsNoEventAndWhatFailsIsALetterWithItsBytes) {
    const LinkRef of = link(
        "return function(e) if e.payload.n == 0 then return nil end "
        "if e.payload.n == 1 then error('one') end "
        "if e.payload.n == 2 then return {pattern = 'system.x'} end "
        "return {payload = {n = e.payload.n + 100}} end");
    LinkEvents events(10'000);
    SourceBatch batch;
    for (int n = 0; n < 5; ++n)
        batch.add(std::to_string(n), n == 4 ? "no json" : R"({"n":)" + std::to_string(n) + "}", 1,
                  0);
    std::string lines;
    LaneResult result;
    const auto counts =
        events.append_shaped(*of, batch, shape(of, events.drafts(*of, batch)), lines, result);
    EXPECT_EQ(counts.left_out, 1u);
    EXPECT_EQ(counts.letters, 3u);
    ASSERT_EQ(result.letters.size(), 3u);
    EXPECT_EQ(result.emitted_tenants.size(), 4u);
    EXPECT_EQ(result.letters[0].event_id, "in:1");
    EXPECT_NE(result.letters[0].why.find("TRANSFORM_FAILED: "), std::string::npos);
    EXPECT_NE(result.letters[1].why.find("system."), std::string::npos) << result.letters[1].why;
    EXPECT_NE(lines.find(R"("payload":{"n":103})"), std::string::npos) << lines;
    EXPECT_NE(lines.find(core::encode_base64(R"({"n":1})")), std::string::npos) << lines;
}

TEST_F(LinkShaperTest, LinksTakeTurns) {
    ticking_.step_ns = LinkShaper::kSliceNs;  // each run takes a slice
    std::string ends;
    for (const std::string name : {"long", "short"}) {
        auto job = std::make_unique<LinkShaper::Job>();
        job->link = link("return function(e) return {} end");
        job->texts.assign(name == "long" ? 50 : 1, text(kEvent));
        job->done = [&ends, name](LinkShaper::Job&&) { ends += name + ";"; };
        shaper_->shape(std::move(job));
    }
    while (shaper_->do_work() > 0) {
    }
    EXPECT_EQ(ends, "short;long;");
}

}  // namespace
}  // namespace millrace::runtime
