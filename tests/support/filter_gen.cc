#include "tests/support/filter_gen.h"

#include "core/json_writer.h"

#include <array>
#include <iterator>

namespace millrace::testing {
namespace {

constexpr const char* kNames[] = {"a", "b", "c", "a.b", "\u00e9", "$or"};
constexpr const char* kPlainNames[] = {"a", "b", "c"};
constexpr const char* kTexts[] = {
    "",       "a",      "A",      "ab", "aba",          "AbA",      "ba",          "x*y",
    "\u00e4", "\u00c4", "\u212a", "k",  "10.0.0.1",     "10.0.1.1", "2001:db8::1", "::",
    "a\nb",   "a\tb ",  "true",   "5",  "\u00df\u1e9e", "a\\",      "\U0001f600"};
constexpr const char* kNumbers[] = {"0",
                                    "-0.0",
                                    "1",
                                    "1.0",
                                    "10e-1",
                                    "2",
                                    "5",
                                    "5.0000000000000001",
                                    "0.1",
                                    "0.10",
                                    "1e400",
                                    "1e401",
                                    "-1e400",
                                    "1e-400",
                                    "-1",
                                    "9007199254740992",
                                    "-0",
                                    "100",
                                    "9007199254740993",
                                    "0.1000000000000000055",
                                    "18446744073709551616",
                                    "-5e-324"};
constexpr const char* kWildcards[] = {"*",     "a*", "*a",       "*b*",  "a*b*a",
                                      "x\\*y", "",   "*\u00c4*", "a\\\\"};
constexpr const char* kRegexes[] = {"^a",    "a$",   "^[ab]*$",  "b.",  "(?i)ABA",
                                    "^a.b$", "[^a]", "\u00e4|k", "x\\*"};
constexpr const char* kBlocks[] = {"10.0.0.0/24", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0",
                                   "10.0.0.1"};
constexpr const char* kPatterns[] = {"a.b", "a.c", "b.a", "a.b.c", "b"};

std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    core::append_json_escaped(out, text);
    return out + "\"";
}

}  // namespace

std::string FilterGen::text() { return in_quotes(pick(kTexts)); }
std::string FilterGen::number() { return pick(kNumbers); }

std::string FilterGen::literal() {
    switch (random_.below(8)) {
        case 0: return "null";
        case 1: return "true";
        case 2: return "false";
        case 3:
        case 4:
        case 5: return number();
        default: return text();
    }
}

std::string FilterGen::jsonpath() {
    std::string out = chance(3) ? "$.payload" : "$";
    if (chance(12)) return "$['x-k']";
    if (chance(16)) return "$.source.type";
    out += std::string(".") + pick(kPlainNames);
    for (std::uint64_t i = random_.below(3); i > 0; --i) {
        switch (random_.below(7)) {
            case 0: out += "[*]"; break;
            case 1: out += std::to_array({"[0]", "[1]", "[-1]"})[random_.below(3)]; break;
            case 2: out += "[" + in_quotes(pick(kNames)) + "]"; break;
            default: out += std::string(".") + pick(kPlainNames); break;
        }
    }
    return out;
}

std::string FilterGen::map_key() {
    if (chance(6)) return jsonpath();
    if (chance(8)) return "/" + std::string(pick(kNames)) + "/" + pick(kNames);
    std::string out = pick(kPlainNames);
    for (std::uint64_t i = random_.below(3); i > 0; --i) {
        out += chance(6) ? "[*]" : chance(6) ? "[0]" : "";
        out += std::string(".") + pick(kPlainNames);
    }
    return out;
}

// The operators of one field in the map form, from { to }.
std::string FilterGen::operators() {
    std::string out = "{";
    for (std::uint64_t i = 1 + (chance(4) ? 1 : 0); i > 0; --i) {
        if (out.size() > 1) out += ",";
        const auto one = [&](const char* name, const std::string& operand) {
            out += in_quotes(name) + ":" + operand;
        };
        switch (random_.below(13)) {
            case 0: one("equals", literal()); break;
            case 1: one("notEquals", literal()); break;
            case 2: one(chance(2) ? "gt" : "gte", chance(4) ? text() : number()); break;
            case 3: one(chance(2) ? "lt" : "lte", chance(4) ? text() : number()); break;
            case 4: one("in", "[" + literal() + "," + literal() + "]"); break;
            case 5: one("notIn", "[" + literal() + "," + literal() + "," + literal() + "]"); break;
            case 6: one(chance(2) ? "contains" : "containsIgnoreCase", text()); break;
            case 7: one(chance(2) ? "prefix" : "prefixIgnoreCase", text()); break;
            case 8: one(chance(2) ? "suffix" : "suffixIgnoreCase", text()); break;
            case 9:
                one(chance(2) ? "wildcard" : "wildcardIgnoreCase", in_quotes(pick(kWildcards)));
                break;
            case 10: one("regex", in_quotes(pick(kRegexes))); break;
            case 11: one("exists", chance(2) ? "true" : "false"); break;
            default:
                one(chance(2) ? "equalsIgnoreCase" : "cidr",
                    chance(2) ? text() : in_quotes(pick(kBlocks)));
                break;
        }
    }
    return out + "}";
}

// NOLINTBEGIN(misc-no-recursion): depth is counted down
std::string FilterGen::map(unsigned depth) {
    std::string out = "{";
    for (std::uint64_t i = 1 + random_.below(3); i > 0; --i) {
        if (out.size() > 1) out += ",";
        const std::uint64_t kind = random_.below(depth == 0 ? 6 : 9);
        if (kind < 2) {
            out += in_quotes(map_key()) + ":" + literal();
        } else if (kind < 6) {
            out += in_quotes(map_key()) + ":" + operators();
        } else if (kind == 6) {
            out += "\"$not\":" + map(depth - 1);
        } else {
            out += std::string(kind == 7 ? "\"$or\":[" : "\"$and\":[") + map(depth - 1) + "," +
                   map(depth - 1) + "]";
        }
    }
    return out + "}";
}

std::string FilterGen::list(unsigned depth) {
    std::string out = "[";
    for (std::uint64_t i = 1 + random_.below(3); i > 0; --i) {
        if (out.size() > 1) out += ",";
        if (depth > 0 && chance(4)) {
            out += std::string("{") +
                   std::to_array({"\"or\":", "\"and\":", "\"not\":"})[random_.below(3)] +
                   list(depth - 1) + "}";
            continue;
        }
        const auto condition = [&](const char* op, const std::string& operand) {
            out += "{\"field\":" + in_quotes(chance(3) ? map_key() : jsonpath()) +
                   ",\"operator\":\"" + op + "\",\"value\":" + operand + "}";
        };
        switch (random_.below(6)) {
            case 0: condition("equals", literal()); break;
            case 1: condition("gt", number()); break;
            case 2: condition("between", "[" + number() + "," + number() + "]"); break;
            case 3: condition("notIn", "[" + literal() + "]"); break;
            case 4: condition("contains", literal()); break;
            default: condition("exists", "true"); break;
        }
    }
    return out + "]";
}

std::string FilterGen::word_condition() {
    const std::string path = jsonpath() + (chance(4) ? " not" : "");
    switch (random_.below(8)) {
        case 0: return path + " in [" + literal() + ", " + literal() + "]";
        case 1: return path + " contains " + literal();
        case 2: return path + " startsWith " + text();
        case 3: return path + " endsWithIgnoreCase " + text();
        case 4: return path + " matches " + in_quotes(pick(kRegexes));
        case 5: return path + " like [" + in_quotes(pick(kWildcards)) + "]";
        case 6: return path + " range (" + (chance(3) ? "*" : number()) + ", " + number() + "]";
        default: return path + " cidr " + in_quotes(pick(kBlocks));
    }
}

std::string FilterGen::expression(unsigned depth) {
    const std::uint64_t kind = random_.below(depth == 0 ? 5 : 9);
    switch (kind) {
        case 0: return jsonpath() + (chance(3) ? " != " : " == ") + literal();
        case 1:
            return jsonpath() + std::to_array({" < ", " <= ", " > ", " >= "})[random_.below(4)] +
                   number();
        case 2: return literal() + (chance(2) ? " == " : " in ") + jsonpath();
        case 3: return (chance(2) ? "!exists(" : "exists(") + jsonpath() + ")";
        case 4: return word_condition();
        case 5: return "!(" + expression(depth - 1) + ")";
        case 6: return "(" + expression(depth - 1) + " || " + expression(depth - 1) + ")";
        default: return expression(depth - 1) + " && " + expression(depth - 1);
    }
}

std::string FilterGen::ruler_leaf() {
    std::string out = "[";
    for (std::uint64_t i = 1 + random_.below(2); i > 0; --i) {
        if (out.size() > 1) out += ",";
        switch (random_.below(12)) {
            case 0: out += "{\"prefix\":" + text() + "}"; break;
            case 1: out += "{\"suffix\":{\"equals-ignore-case\":" + text() + "}}"; break;
            case 2: out += "{\"equals-ignore-case\":" + text() + "}"; break;
            case 3: out += "{\"wildcard\":" + in_quotes(pick(kWildcards)) + "}"; break;
            case 4: out += "{\"numeric\":[\">=\"," + number() + "]}"; break;
            case 5: out += "{\"numeric\":[\">\"," + number() + ",\"<=\"," + number() + "]}"; break;
            case 6: out += "{\"cidr\":" + in_quotes(pick(kBlocks)) + "}"; break;
            case 7: out += std::string("{\"exists\":") + (chance(2) ? "true}" : "false}"); break;
            case 8:
                out += "{\"anything-but\":" +
                       (chance(2) ? literal() : "[" + text() + "," + text() + "]") + "}";
                break;
            case 9: out += "{\"anything-but\":{\"prefix\":[" + text() + "]}}"; break;
            default: out += literal(); break;
        }
    }
    return out + "]";
}

std::string FilterGen::ruler(unsigned depth) {
    std::string out = "{";
    std::uint64_t used = 0;
    for (std::uint64_t i = 1 + random_.below(3); i > 0; --i) {
        const std::uint64_t name = random_.below(std::size(kNames) - 1);
        if ((used >> name) & 1u) continue;
        used |= std::uint64_t{1} << name;
        if (out.size() > 1) out += ",";
        out += in_quotes(kNames[name]) + ":";
        out += depth == 0 || chance(2) ? ruler_leaf() : ruler(depth - 1);
    }
    if (depth > 0 && chance(4))
        out += ",\"$or\":[" + ruler(depth - 1) + "," + ruler(depth - 1) + "]";
    return out + "}";
}

std::string FilterGen::value(unsigned depth) {
    if (depth == 0 || chance(2)) return literal();
    if (chance(2)) return object(depth);
    std::string out = "[";
    for (std::uint64_t i = random_.below(4); i > 0; --i) {
        if (out.size() > 1) out += ",";
        out += chance(3) ? value(depth - 1) : object(depth - 1);
    }
    return out + "]";
}

std::string FilterGen::object(unsigned depth) {
    std::string out = "{";
    for (const char* name : kNames) {
        if (!chance(3) && (name[1] != '\0' || chance(3))) continue;
        if (out.size() > 1) out += ",";
        out += in_quotes(name) + ":" + value(depth == 0 ? 0 : depth - 1);
    }
    return out + "}";
}
// NOLINTEND(misc-no-recursion)

std::string FilterGen::pattern() {
    switch (random_.below(6)) {
        case 0: return in_quotes(pick(kPatterns));
        case 1: return in_quotes(std::to_array({"a.*", "*.b", "*", "a*c"})[random_.below(4)]);
        case 2: return R"({"type":"prefix","value":"a."})";
        case 3: return R"({"type":"suffix","value":"b"})";
        case 4: return "{\"type\":\"regex\",\"value\":\"^[ab]\\\\.(b|c)\"}";
        default: return "null";
    }
}

std::string FilterGen::subscription() {
    std::string out = "{\"pattern\":" + pattern();
    switch (random_.below(4)) {
        case 0: out += ",\"filters\":" + map(2); break;
        case 1: out += ",\"filters\":" + list(2); break;
        case 2: out += ",\"filter\":" + in_quotes(expression(3)); break;
        default:
            out += ",\"form\":\"event-pattern\",\"filters\":";
            out += chance(2) ? ruler(2) : "{\"payload\":" + ruler(2) + "}";
            break;
    }
    return out + "}";
}

std::string FilterGen::event() {
    return "{\"eventId\":\"e\",\"version\":\"1\",\"timestamp\":\"2024-01-01T00:00:00Z\",\"source\":"
           "{\"type\":\"task\",\"id\":\"s\"},"
           "\"pattern\":" +
           in_quotes(pick(kPatterns)) + ",\"x-k\":" + value(1) + ",\"payload\":" + object(3) + "}";
}

std::string FilterGen::broken(std::string text) {
    for (std::uint64_t i = 1 + random_.below(3); i > 0 && !text.empty(); --i) {
        const std::size_t at = random_.below(text.size());
        switch (random_.below(5)) {
            case 0: text.erase(at, 1 + random_.below(4)); break;
            case 1: text[at] = static_cast<char>(random_.below(256)); break;
            case 2:
                text.insert(at, 1,
                            pick(std::to_array({'"', '\\', '[', '{', '(', '*', '$', '.', '\0'})));
                break;
            case 3:
                text.insert(at, text.substr(random_.below(text.size()), random_.below(12)));
                break;
            default: text.resize(at); break;
        }
    }
    return text;
}

}  // namespace millrace::testing
