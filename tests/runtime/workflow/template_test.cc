// Goal: templates work on the parsed tree: types stay, what comes in is never read again. Method:
// values and a scope of three objects.
#include "runtime/workflow/template.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace millrace::runtime::workflow {
namespace {

class Objects final : public Scope {
public:
    core::Result<std::string> look_up(const TemplatePath& path) override {
        core::JsonDom dom;
        core::JsonElement root;
        EXPECT_TRUE(dom.read(
            R"({"data":{"n":7,"t":"x","e":"{{data.n}}","o":{"a.b":[1,{"c":null}]},"s":"a\"b\n"},)"
            R"("steps":{"a-b":{"q":1.50}},"event":{},"input":{},"run":{}})",
            root));
        return follow(root, path, 0);
    }
};

std::string filled(std::string_view json) {
    Objects scope;
    auto out = fill_templates(json, scope);
    return out ? *out : "error: " + out.error().message;
}

TEST(Template, KeepsTheTypeOfAValueThatIsOneTemplate) {
    EXPECT_EQ(filled(R"("{{data.n}}")"), "7");
    EXPECT_EQ(filled(R"("{{ n }}")"), "7");
    EXPECT_EQ(filled(R"("{{steps.a-b.q}}")"), "1.50");
    EXPECT_EQ(filled(R"("{{steps['a-b'].q}}")"), "1.50");
    EXPECT_EQ(filled(R"({"k":["{{o[\"a.b\"][1]}}"]})"), R"({"k":[{"c":null}]})");
    EXPECT_EQ(filled(R"("{{o['a.b'].0}}")"), "1");
}

TEST(Template, MakesATextOfWhatHasMoreAroundIt) {
    EXPECT_EQ(filled(R"("n={{n}}, t={{t}}")"), R"("n=7, t=x")");
    EXPECT_EQ(filled(R"("{{s}}!")"), R"("a\"b\n!")");
    EXPECT_EQ(filled(R"("{{n}}{{n}}")"), R"("77")");
}

TEST(Template, NeverReadsAgainWhatCameIn) {
    EXPECT_EQ(filled(R"("{{e}}")"), R"("{{data.n}}")");
    EXPECT_EQ(filled(R"("<{{e}}>")"), R"("<{{data.n}}>")");
}

TEST(Template, LeavesKeysAndEverythingElseAlone) {
    EXPECT_EQ(filled(R"({"{{n}}":1.0e2,"x":[true,null]})"), R"({"{{n}}":1.0e2,"x":[true,null]})");
    EXPECT_EQ(filled(R"("\ud83d\ude00 {{t}}")"), "\"\xF0\x9F\x98\x80 x\"");
}

TEST(Template, TakesTheDefaultOfWhatIsNotThere) {
    EXPECT_EQ(filled(R"("{{data.no | default 'none'}}")"), R"("none")");
    EXPECT_EQ(filled(R"("{{data.no | default [1]}}")"), "[1]");
    EXPECT_EQ(filled(R"("{{data.n | default 1}}")"), "7");
    EXPECT_EQ(filled(R"("{{data.no.deeper}}")").substr(0, 6), "error:");
    EXPECT_NE(filled(R"("{{data.o.z}}")").find("data.o is an object and has no \"z\""),
              std::string::npos);
}

TEST(Template, RefusesWhatIsNone) {
    for (const char* text : {R"("{{n")", R"("{{}}")", R"("{{a..b}}")", R"("{{a[x]}}")",
                             R"("{{n | upper}}")", R"("{{n | default }}")", R"("{{secrets.x}}")"})
        EXPECT_EQ(filled(text).substr(0, 6), "error:") << text;
}

}  // namespace
}  // namespace millrace::runtime::workflow
