// Goal: the values at a plan's paths, with the array elements that bind them.
// Method: one event, hand-made plans; each slot's values as text.
#include "core/event_parser.h"
#include "core/filled_fields.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace millrace::core {
namespace {

using Kind = FieldStep::Kind;

FieldStep name(std::string_view key) { return {Kind::kName, key, 0}; }
FieldStep at(std::int64_t index) { return {Kind::kIndex, {}, index}; }
FieldStep any() { return {Kind::kAny, {}, 0}; }

struct Extracted {
    FieldPlanBuilder builder;
    FieldPlan plan;
    FieldTable table;
    EventParser parser;
    std::string text;

    bool read(const std::string& payload) {
        plan = builder.build();
        text = R"({"pattern":"a","source":{"type":"task","id":"s"},"payload":)" + payload +
               R"(,"x-k":[9]})";
        const std::size_t size = text.size();
        text.append(kPaddingForTests, '}');
        Envelope envelope;
        return parser.parse_one(std::string_view(text).substr(0, size), &plan, envelope, &table)
            .has_value();
    }
    std::vector<std::string> values(std::uint32_t slot) const {
        std::vector<std::string> out;
        for (const FieldValue* v = table.first(slot); v; v = table.next(*v)) {
            const char* kinds[] = {"null", "false", "true", "#", "'", "{}", "[]"};
            out.push_back(kinds[static_cast<std::size_t>(v->type)]);
            if (v->type == FieldType::kNumber || v->type == FieldType::kString)
                out.back() += v->text();
        }
        return out;
    }
    static constexpr std::size_t kPaddingForTests = 64;
};

using Texts = std::vector<std::string>;

TEST(FieldPlan, ForgetsPathsAndHandsTheirSlotsOutAgain) {
    Extracted x;
    const auto a = x.builder.add({name("payload"), name("a")});
    const auto deep = x.builder.add({name("payload"), name("b"), name("c"), at(0)});
    const auto b = x.builder.add({name("payload"), name("b")});
    const std::uint64_t version = x.builder.version();
    x.builder.keep_only({true, true, true});
    EXPECT_EQ(x.builder.version(), version);
    x.builder.keep_only({true, false, true});
    EXPECT_GT(x.builder.version(), version);
    EXPECT_EQ(x.builder.node_count(), 4u);  // root, payload, a, b
    const auto fresh = x.builder.add({name("payload"), name("d")});
    EXPECT_EQ(fresh, deep);
    EXPECT_EQ(x.builder.slot_count(), 3u);
    EXPECT_EQ(x.builder.add({name("payload"), name("b")}), b);
    ASSERT_TRUE(x.read(R"({"a":1,"b":"x","d":true})"));
    EXPECT_EQ(x.plan.path_count(), 3u);
    EXPECT_EQ(x.values(a), Texts{"#1"});
    EXPECT_EQ(x.values(b), Texts{"'x"});
    EXPECT_EQ(x.values(fresh), Texts{"true"});
}

TEST(FieldExtractor, TakesScalarsOfEveryType) {
    Extracted x;
    const auto a = x.builder.add({name("payload"), name("a")});
    const auto b = x.builder.add({name("payload"), name("b"), name("c")});
    const auto d = x.builder.add({name("payload"), name("d")});
    const auto absent = x.builder.add({name("payload"), name("none")});
    const auto pattern = x.builder.add({name("pattern")});
    const auto source = x.builder.add({name("source"), name("id")});
    const auto own = x.builder.add({name("x-k")});
    const auto payload = x.builder.add({name("payload")});
    ASSERT_TRUE(x.read(R"({"a":"x\"y","b":{"z":0,"c":-12.5e1},"d":[true,null,[false,"q"],{}]})"));
    EXPECT_EQ(x.values(a), Texts{"'x\"y"});
    EXPECT_EQ(x.values(b), Texts{"#-12.5e1"});
    EXPECT_EQ(x.table.first(b)->number_approx, -125.0);
    EXPECT_EQ(x.values(d), (Texts{"[]", "true", "null", "false", "'q"}));
    EXPECT_EQ(x.values(absent), Texts{});
    EXPECT_EQ(x.values(pattern), Texts{"'a"});
    EXPECT_EQ(x.values(source), Texts{"'s"});
    EXPECT_EQ(x.values(own), (Texts{"[]", "#9"}));
    EXPECT_EQ(x.values(payload), Texts{"{}"});
}

TEST(FieldExtractor, BindsMembersOfElementsAndNotScalarsOfAnArray) {
    Extracted x;
    const auto sku = x.builder.add({name("payload"), name("items"), name("sku")});
    const auto n = x.builder.add({name("payload"), name("items"), name("n")});
    const auto tags = x.builder.add({name("payload"), name("tags")});
    const auto other = x.builder.add({name("payload"), name("other"), name("n")});
    ASSERT_TRUE(x.read(
        R"({"items":[{"sku":"A","n":1},[{"sku":"B"},{"n":2}]],"tags":["a","b"],"other":[{"n":3}]})"));
    EXPECT_EQ(x.values(sku), (Texts{"'A", "'B"}));
    EXPECT_EQ(x.values(n), (Texts{"#1", "#2"}));
    const FieldValue* sku_a = x.table.first(sku);
    const FieldValue* sku_b = x.table.next(*sku_a);
    const FieldValue* n_1 = x.table.first(n);
    const FieldValue* n_2 = x.table.next(*n_1);
    EXPECT_TRUE(x.table.consistent(sku_a->element, n_1->element));
    EXPECT_FALSE(x.table.consistent(sku_a->element, n_2->element));
    EXPECT_FALSE(x.table.consistent(sku_b->element, n_1->element));
    EXPECT_FALSE(x.table.consistent(sku_b->element, n_2->element));
    EXPECT_TRUE(x.table.consistent(sku_b->element, x.table.first(other)->element));
    const FieldValue* tag = x.table.first(tags);
    while (tag) {
        EXPECT_EQ(tag->element, kNoElement);
        tag = x.table.next(*tag);
    }
}

TEST(FieldExtractor, TakesSubscriptsAndWildcardsBesideNames) {
    Extracted x;
    const auto first = x.builder.add({name("payload"), name("a"), at(0), name("k")});
    const auto last = x.builder.add({name("payload"), name("a"), at(-1)});
    const auto every = x.builder.add({name("payload"), name("a"), any(), name("k")});
    const auto plain = x.builder.add({name("payload"), name("a"), name("k")});
    const auto members = x.builder.add({name("payload"), name("o"), any()});
    const auto one = x.builder.add({name("payload"), name("o"), name("p")});
    ASSERT_TRUE(x.read(R"({"a":[{"k":1},{"k":2},"end"],"o":{"p":true,"q":[5,6]}})"));
    EXPECT_EQ(x.values(first), Texts{"#1"});
    EXPECT_EQ(x.table.first(first)->element, kNoElement);
    EXPECT_EQ(x.values(last), Texts{"'end"});
    EXPECT_EQ(x.values(every), (Texts{"#1", "#2"}));
    EXPECT_EQ(x.values(plain), (Texts{"#1", "#2"}));
    const FieldValue* every_1 = x.table.first(every);
    const FieldValue* plain_1 = x.table.first(plain);
    EXPECT_TRUE(x.table.consistent(every_1->element, plain_1->element));
    EXPECT_FALSE(x.table.consistent(every_1->element, x.table.next(*plain_1)->element));
    EXPECT_EQ(x.values(members), (Texts{"true", "[]", "#5", "#6"}));
    EXPECT_EQ(x.values(one), Texts{"true"});
}

TEST(FieldExtractor, ReadsNumbersBeyondDoubles) {
    Extracted x;
    const auto a = x.builder.add({name("payload"), name("a")});
    ASSERT_TRUE(x.read(
        R"({"a":[9007199254740993,-0.0,1e400,-1e400,1e-400,0.1,123456789012345678901234567890]})"));
    const std::vector<double> expected = {9007199254740992.0,   0.0, HUGE_VAL, -HUGE_VAL, 0.0, 0.1,
                                          1.2345678901234568e29};
    std::size_t i = 0;
    for (const FieldValue* v = x.table.next(*x.table.first(a)); v; v = x.table.next(*v)) {
        EXPECT_EQ(v->number_approx, expected.at(i++)) << v->text();
        EXPECT_FALSE(std::signbit(v->number_approx) && v->number_approx == 0);
    }
    EXPECT_EQ(i, expected.size());
}

// What the lazy way finds is what the full way finds, wherever the fields lie.
TEST(LazyExtractor, FindsWhatTheFullWayFinds) {
    const std::string filler(400, 'f');
    const std::vector<std::string> payloads = {
        R"({"a":"x","b":{"c":1},"d":[1,{"e":true},[{"e":null}]]})",
        R"({"f":")" + filler + R"(","a":"x","b":{"z":[[],{}],"c":1},"d":[]})",
        R"({"a":"esc\"aped","b":{"c":-0.5,"g":")" + filler + R"("},"h":")" + filler +
            R"(","d":{"e":"late"}})",
        R"({"b":[{"c":1},{"c":2}],"a" : [ "x" , "y" ],"d":")" + filler + R"("})",
        R"({})",
        R"({"aa":[1,{"a":2}],"":7,"ab":{"a":1},"a":"x","d":{"ee":2,"e":1},"b":{"":0,"c":3}})",
        R"({"\u0061":"x","\\":5,"bb":"\"","b":{"\u0063":1}})",
        R"({"a":{},"b":5,"d":[{"e":[1,2]}]})"};
    for (const auto& wanted : std::vector<std::vector<const char*>>{
             {"a"}, {"a", "b"}, {"d"}, {"a", "b", "d"}, {""}, {"", "a", "b", "d", "h"}}) {
        Extracted full;
        const auto add = [&](const std::string& key) {
            full.builder.add({name("payload"), name(key)});
            if (key == "b") full.builder.add({name("payload"), name("b"), name("c")});
            if (key == "d") full.builder.add({name("payload"), name("d"), name("e")});
        };
        for (const char* key : wanted) add(key);
        full.builder.add({name("pattern")});
        full.builder.add({name("none")});
        for (const std::string& payload : payloads) {
            ASSERT_TRUE(full.read(payload)) << payload;
            FieldTable lazy;
            EventParser parser;
            const std::size_t size = full.text.size() - Extracted::kPaddingForTests;
            ASSERT_TRUE(parser.extract(std::string_view(full.text).substr(0, size), full.plan,
                                       nullptr, lazy));
            EXPECT_EQ(std::string_view(full.text).substr(parser.payload_at(), payload.size()),
                      payload);
            ASSERT_EQ(lazy.values().size(), full.table.values().size()) << payload;
            for (std::size_t i = 0; i < lazy.values().size(); ++i) {
                const FieldValue& a = lazy.values()[i];
                const FieldValue& b = full.table.values()[i];
                EXPECT_EQ(a.slot, b.slot) << payload;
                EXPECT_EQ(a.type, b.type);
                EXPECT_EQ(a.text(), b.text());
                EXPECT_EQ(a.number_approx, b.number_approx);
                EXPECT_EQ(lazy.element(a.element).index, full.table.element(b.element).index);
                EXPECT_EQ(lazy.element(a.element).container,
                          full.table.element(b.element).container);
            }
        }
    }
}

TEST(FilledFields, AddsWhatTheEventLacksAndNothingElse) {
    FieldPlanBuilder builder;
    const auto type = builder.add({name("source"), name("type")});
    const auto version = builder.add({name("version")});
    const auto tenant = builder.add({name("tenantId")});
    const FieldPlan plan = builder.build();
    FilledMembers filled;
    filled.version = "1";
    filled.source_type = "external";
    filled.source_id = "http";
    filled.tenant_id = "t";
    const auto text_of = [](const FieldTable& table, std::uint32_t slot) {
        const FieldValue* value = table.first(slot);
        return value ? std::string(value->text()) + (table.next(*value) ? "+" : "") : "";
    };
    EventParser parser;
    Envelope envelope;
    FieldTable table;
    const std::string bare = R"({"pattern":"a"})" + std::string(64, ' ');
    ASSERT_TRUE(parser.parse_one(std::string_view(bare).substr(0, bare.size() - 64), &plan,
                                 envelope, &table));
    fill_fields(plan, envelope, filled, table);
    EXPECT_EQ(text_of(table, type), "external");
    EXPECT_EQ(text_of(table, version), "1");
    EXPECT_EQ(text_of(table, tenant), "t");
    const std::string own =
        R"({"pattern":"a","source":{"type":"task"},"version":"2"})" + std::string(64, ' ');
    ASSERT_TRUE(parser.parse_one(std::string_view(own).substr(0, own.size() - 64), &plan, envelope,
                                 &table));
    fill_fields(plan, envelope, filled, table);
    EXPECT_EQ(text_of(table, type), "task");
    EXPECT_EQ(text_of(table, version), "2");
}

TEST(FieldExtractor, GivesUpSlotsInOrderOfAddition) {
    FieldPlanBuilder builder;
    const auto a = builder.add({name("payload"), name("a")});
    const auto b = builder.add({name("payload"), name("b")});
    EXPECT_EQ(builder.add({name("payload"), name("a")}), a);
    EXPECT_EQ(b, a + 1);
    const FieldPlan plan = builder.build();
    EXPECT_EQ(plan.slot_count(), 2u);
}

}  // namespace
}  // namespace millrace::core
