#include "runtime/schema/compatibility.h"

#include "runtime/schema/exact.h"
#include "runtime/schema/program.h"
#include "runtime/schema/sources.h"

#include <algorithm>
#include <set>
#include <string_view>

namespace millrace::runtime::schema {

namespace {

using core::JsonElement;

class Comparison {
public:
    std::vector<std::string> breaks;

    void compare(JsonElement before, JsonElement after, const std::string& pointer,
                 std::size_t depth) {
        bool truth = true;
        if (after.get(truth)) {
            if (!truth && !(before.get(truth) && !truth)) say(pointer, "allows nothing now");
            return;
        }
        if (!after.is_object() || depth > kSchemaDepthMax) return;
        types(before, after, pointer);
        values(before, after, pointer);
        required(before, after, pointer);
        for (const char* name :
             {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
            bound(before, after, pointer, name, true);
        for (const char* name :
             {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
            bound(before, after, pointer, name, false);
        same(before, after, pointer, "pattern");
        same(before, after, pointer, "multipleOf");
        closed(before, after, pointer);
        inner(before, after, pointer, depth);
    }

private:
    void say(const std::string& pointer, const std::string& what) {
        if (breaks.size() < kBreaksMax)
            breaks.push_back((pointer.empty() ? std::string("the whole") : pointer) + " " + what);
    }
    static bool find(JsonElement object, std::string_view name, JsonElement& out) {
        return object.is_object() && object.find(name, out);
    }
    static std::set<std::string_view> names(JsonElement schema, std::string_view keyword) {
        std::set<std::string_view> out;
        JsonElement element;
        std::string_view text;
        core::JsonArray list;
        if (!find(schema, keyword, element)) return out;
        if (element.get(text)) out.insert(text);
        if (element.get(list)) {
            for (const JsonElement item : list) {
                if (item.get(text)) out.insert(text);
            }
        }
        return out;
    }

    void types(JsonElement before, JsonElement after, const std::string& pointer) {
        const auto now = names(after, "type");
        if (now.empty()) return;
        const auto then = names(before, "type");
        if (then.empty()) return say(pointer, "has a type now, and had none");
        for (const std::string_view type : then) {
            const bool wider = type == "integer" && now.contains("number");
            if (!now.contains(type) && !wider)
                say(pointer, "may not be " + std::string(type) + " any more");
        }
    }

    void values(JsonElement before, JsonElement after, const std::string& pointer) {
        for (const char* keyword : {"enum", "const"}) {
            JsonElement now, then;
            if (!find(after, keyword, now)) continue;
            if (!find(before, keyword, then)) {
                say(pointer, std::string("has ") + keyword + " now, and had none");
                continue;
            }
            core::JsonArray then_list, now_list;
            if (!then.get(then_list) || !now.get(now_list)) {
                if (!equal(then, now)) say(pointer, "must be another value now");
                continue;
            }
            for (const JsonElement value : then_list) {
                bool kept = false;
                for (const JsonElement other : now_list) kept = kept || equal(value, other);
                if (!kept)
                    say(pointer,
                        "may not be " + std::string(value.raw().substr(0, 64)) + " any more");
            }
        }
    }

    void required(JsonElement before, JsonElement after, const std::string& pointer) {
        const auto then = names(before, "required");
        for (const std::string_view name : names(after, "required")) {
            if (!then.contains(name)) say(child_pointer(pointer, name), "is required now");
        }
    }

    void bound(JsonElement before, JsonElement after, const std::string& pointer,
               const char* keyword, bool most) {
        JsonElement now, then;
        if (!find(after, keyword, now) || !now.is_number()) return;
        const bool had = find(before, keyword, then) && then.is_number();
        const int order = had ? compare_numbers(now.raw(), then.raw()) : 0;
        if (!had || (most ? order < 0 : order > 0))
            say(pointer, std::string("has a narrower ") + keyword);
    }

    void same(JsonElement before, JsonElement after, const std::string& pointer,
              const char* keyword) {
        JsonElement now, then;
        if (!find(after, keyword, now)) return;
        if (!find(before, keyword, then) || !equal(now, then))
            say(pointer, std::string("has another ") + keyword);
    }

    static bool is_closed(JsonElement schema) {
        JsonElement element;
        bool open = true;
        for (const char* keyword : {"additionalProperties", "unevaluatedProperties"}) {
            if (find(schema, keyword, element) && element.get(open) && !open) return true;
        }
        return false;
    }

    void closed(JsonElement before, JsonElement after, const std::string& pointer) {
        if (!is_closed(after)) return;
        if (!is_closed(before)) return say(pointer, "is closed for further members now");
        JsonElement then, now, found;
        if (!find(before, "properties", then) || !then.is_object()) return;
        const bool any = find(after, "properties", now);
        for (const core::JsonMember member : core::JsonMembers(then)) {
            if (!any || !find(now, member.key, found))
                say(child_pointer(pointer, member.key), "may not be there any more");
        }
    }

    void inner(JsonElement before, JsonElement after, const std::string& pointer,
               std::size_t depth) {
        JsonElement then, now, found;
        if (find(before, "properties", then) && find(after, "properties", now) &&
            then.is_object() && now.is_object()) {
            for (const core::JsonMember member : core::JsonMembers(now)) {
                if (find(then, member.key, found))
                    compare(found, member.value, child_pointer(pointer, member.key), depth + 1);
            }
        }
        if (find(before, "items", then) && find(after, "items", now))
            compare(then, now, pointer + "/*", depth + 1);
    }
};

}  // namespace

std::vector<std::string> narrowed(core::JsonElement before, core::JsonElement after) {
    Comparison comparison;
    comparison.compare(before, after, "", 0);
    return std::move(comparison.breaks);
}

}  // namespace millrace::runtime::schema
