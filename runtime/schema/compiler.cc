#include "runtime/schema/compiler.h"

#include "core/key_hash.h"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

namespace millrace::runtime::schema {

namespace {

using core::JsonElement;

constexpr std::array<std::pair<std::string_view, std::uint32_t>, 7> kTypeBits = {
    {{"null", 1u << 0},
     {"boolean", 1u << 1},
     {"number", 1u << 2},
     {"integer", 1u << 3},
     {"string", 1u << 4},
     {"array", 1u << 5},
     {"object", 1u << 6}}};

struct CountKeyword {
    std::string_view name;
    Op op;
};
constexpr CountKeyword kCountKeywords[] = {
    {"maxLength", Op::kMaxLength},         {"minLength", Op::kMinLength},
    {"maxItems", Op::kMaxItems},           {"minItems", Op::kMinItems},
    {"maxProperties", Op::kMaxProperties}, {"minProperties", Op::kMinProperties}};
constexpr CountKeyword kNumberKeywords[] = {{"maximum", Op::kMaximum},
                                            {"exclusiveMaximum", Op::kExclusiveMaximum},
                                            {"minimum", Op::kMinimum},
                                            {"exclusiveMinimum", Op::kExclusiveMinimum}};
constexpr CountKeyword kListKeywords[] = {
    {"allOf", Op::kAllOf}, {"anyOf", Op::kAnyOf}, {"oneOf", Op::kOneOf}};

// ECMA-262 has long names for general categories of Unicode, where PCRE has short ones.
constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kCategories = {
    {{"{Letter}", "{L}"},
     {"{Uppercase_Letter}", "{Lu}"},
     {"{Lowercase_Letter}", "{Ll}"},
     {"{Titlecase_Letter}", "{Lt}"},
     {"{Mark}", "{M}"},
     {"{Number}", "{N}"},
     {"{Decimal_Number}", "{Nd}"},
     {"{digit}", "{Nd}"},
     {"{Punctuation}", "{P}"},
     {"{Symbol}", "{S}"},
     {"{Separator}", "{Z}"},
     {"{Space_Separator}", "{Zs}"}}};

std::string with_short_categories(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const bool escape = text.front() == '\\' && text.size() > 1;
        const std::string_view head = text.substr(0, escape ? 2 : 1);
        out += head;
        text.remove_prefix(head.size());
        if (head != "\\p" && head != "\\P") continue;
        for (const auto& [name, code] : kCategories) {
            if (!text.starts_with(name)) continue;
            out += code;
            text.remove_prefix(name.size());
            break;
        }
    }
    return out;
}

class Compiler {
public:
    explicit Compiler(const CompileOptions& options)
        : sources_(options.resolver, options.dialect) {}

    core::Result<ProgramRef> run(std::string_view text, std::string_view uri) {
        auto root = sources_.add(text, std::string(uri));
        if (!root) return core::fail(root.error());
        program_->root = want(*root);
        if (auto done = drain(); !done) return core::fail(done.error());
        if (auto fine = name_dynamic_anchors(); !fine) return core::fail(fine.error());
        prepare();
        if (auto fine = refuse_loops(); !fine) return core::fail(fine.error());
        program_->texts = std::move(sources_.texts());
        return ProgramRef(std::move(program_));
    }

private:
    bool draft7() const { return resource().dialect == Dialect::kDraft7; }
    const Resource& resource() const { return sources_.resource(place_.resource); }

    // Compiles what is wanted, and what that wants.
    core::Status drain() {
        while (!waiting_.empty()) {
            const auto [sub, place] = std::move(waiting_.front());
            waiting_.pop_front();
            if (program_->subschemas.size() > kSubschemasMax)
                return bad_schema("", "it has more than 10000 subschemas");
            place_ = place;
            own_.clear();
            if (auto done = compile_one(); !done) return done;
            Subschema& made = program_->subschemas[sub];
            made.begin = static_cast<std::uint32_t>(program_->code.size());
            program_->code.insert(program_->code.end(), own_.begin(), own_.end());
            made.end = static_cast<std::uint32_t>(program_->code.size());
        }
        return {};
    }

    // The number of the subschema at a place, which is compiled in its turn.
    SubId want(const Place& place) {
        const auto [known, fresh] =
            numbers_.emplace(std::pair(place.resource, place.pointer),
                             static_cast<SubId>(program_->subschemas.size()));
        if (fresh) {
            program_->subschemas.push_back({0, 0, place.resource});
            waiting_.emplace_back(known->second, place);
        }
        return known->second;
    }
    // A subschema below this one; a resource of its own, where it has an $id.
    core::Result<SubId> below(std::string_view keyword_pointer, JsonElement element) {
        bool flag = false;
        const std::string pointer(keyword_pointer);
        if (!element.is_object() && !element.get(flag))
            return bad_schema(pointer, "must stand a schema: an object, true or false");
        const auto found = sources_.find(place_.resource, "#" + escaped(pointer));
        if (!found) return core::fail(found.error());
        return want(*found);
    }
    static std::string escaped(const std::string& pointer) {
        constexpr char kHex[] = "0123456789ABCDEF";
        std::string out;
        for (const char c : pointer) {
            if (c != '%') {
                out += c;
                continue;
            }
            const auto byte = static_cast<unsigned char>(c);
            (out += '%') += kHex[byte >> 4];
            out += kHex[byte & 15];
        }
        return out;
    }

    std::string pointer_of(std::string_view keyword) const {
        return child_pointer(place_.pointer, keyword);
    }
    bool member(std::string_view keyword, JsonElement& out) const {
        return place_.element.find(keyword, out);
    }
    std::uint32_t path_of(std::string_view keyword) {
        const std::string& uri = resource().uri;
        const bool own = place_.resource == 0;
        program_->paths.push_back((own ? "" : uri) + "#" + pointer_of(keyword));
        return static_cast<std::uint32_t>(program_->paths.size() - 1);
    }
    void emit(Op op, std::string_view keyword, std::size_t a, std::size_t b = 0) {
        own_.push_back(
            {op, static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b), path_of(keyword)});
    }
    tl::unexpected<core::Error> bad(std::string_view keyword, std::string_view what) const {
        return bad_schema(pointer_of(keyword), what);
    }
    std::size_t name_number(std::string_view name) {
        program_->names.push_back(name);
        return program_->names.size() - 1;
    }

    core::Status compile_one() {
        bool truth = true;
        if (place_.element.get(truth)) {
            if (!truth) {
                program_->paths.push_back("#" + place_.pointer);
                own_.push_back(
                    {Op::kNever, 0, 0, static_cast<std::uint32_t>(program_->paths.size() - 1)});
            }
            return {};
        }
        JsonElement reference;
        if (draft7() && member("$ref", reference)) return compile_reference();
        if (resource().asserts) {
            if (auto done = compile_assertions(); !done) return done;
        }
        return compile_applicators();
    }

    core::Status compile_reference() {
        JsonElement element;
        std::string_view text;
        if (!member("$ref", element)) return {};
        if (!element.get(text)) return bad("$ref", "must stand a text");
        const auto found = sources_.find(place_.resource, text);
        if (!found) return core::fail(found.error());
        emit(Op::kRef, "$ref", want(*found));
        return {};
    }

    core::Status compile_assertions() {
        if (auto done = compile_type(); !done) return done;
        if (auto done = compile_values(); !done) return done;
        if (auto done = compile_counts(); !done) return done;
        if (auto done = compile_required(); !done) return done;
        return compile_pattern();
    }

    core::Status compile_type() {
        JsonElement type;
        if (!member("type", type)) return {};
        std::uint32_t bits = 0;
        const auto add = [&](JsonElement element) {
            std::string_view name;
            (void)element.get(name);
            for (const auto& [text, bit] : kTypeBits) {
                if (name != text) continue;
                bits |= bit;
                return true;
            }
            return false;
        };
        core::JsonArray list;
        bool known = true;
        if (type.get(list)) {
            for (const JsonElement item : list) known = known && add(item);
        } else {
            known = add(type);
        }
        if (!known || bits == 0)
            return bad("type",
                       "must stand null, boolean, number, integer, string, array, object, "
                       "or a list of these");
        emit(Op::kTypes, "type", bits);
        return {};
    }

    core::Status compile_values() {
        JsonElement element;
        const std::size_t first = program_->values.size();
        if (member("const", element)) {
            program_->values.push_back(element);
            emit(Op::kEnum, "const", first, 1);
        }
        core::JsonArray list;
        if (member("enum", element)) {
            if (!element.get(list)) return bad("enum", "must stand a list");
            const std::size_t begin = program_->values.size();
            for (const JsonElement item : list) program_->values.push_back(item);
            emit(Op::kEnum, "enum", begin, program_->values.size() - begin);
        }
        for (const auto& [name, op] : kNumberKeywords) {
            if (!member(name, element)) continue;
            if (!element.is_number()) return bad(name, "must stand a number");
            program_->values.push_back(element);
            emit(op, name, program_->values.size() - 1);
        }
        if (!member("multipleOf", element)) return {};
        const auto divisor = element.is_number() ? Divisor::parse(element.raw()) : std::nullopt;
        if (!divisor) return bad("multipleOf", "must stand a number above 0 of at most 18 digits");
        program_->divisors.push_back(*divisor);
        emit(Op::kMultipleOf, "multipleOf", program_->divisors.size() - 1);
        return {};
    }

    core::Status compile_counts() {
        JsonElement element;
        for (const auto& [name, op] : kCountKeywords) {
            if (!member(name, element)) continue;
            const auto count = small_count(element);
            if (!count) return bad(name, "must stand a whole number from 0");
            emit(op, name, std::min<std::uint64_t>(*count, ~std::uint32_t{0}));
        }
        bool unique = false;
        if (!member("uniqueItems", element)) return {};
        if (!element.get(unique)) return bad("uniqueItems", "must stand true or false");
        if (unique) emit(Op::kUniqueItems, "uniqueItems", 0);
        return {};
    }

    core::Status read_names(std::string_view keyword, JsonElement element,
                            std::vector<std::string_view>& out) const {
        core::JsonArray list;
        if (!element.get(list)) return bad(keyword, "must stand a list of names");
        for (const JsonElement item : list) {
            std::string_view name;
            if (!item.get(name)) return bad(keyword, "must stand a list of names");
            out.push_back(name);
        }
        return {};
    }

    core::Status compile_required() {
        JsonElement element;
        if (member("required", element)) {
            std::vector<std::string_view> names;
            if (auto read = read_names("required", element, names); !read) return read;
            const std::size_t first = program_->names.size();
            program_->names.insert(program_->names.end(), names.begin(), names.end());
            emit(Op::kRequired, "required", first, names.size());
        }
        core::JsonMembers members;
        if (draft7() || !member("dependentRequired", element)) return {};
        if (!element.get(members)) return bad("dependentRequired", "must stand an object");
        for (const core::JsonMember one : members) {
            if (auto done = depend_on_names("dependentRequired", one); !done) return done;
        }
        return {};
    }

    core::Status depend_on_names(std::string_view keyword, const core::JsonMember& one) {
        std::vector<std::string_view> names;
        if (auto read = read_names(keyword, one.value, names); !read) return read;
        program_->lists.push_back(std::move(names));
        emit(Op::kDependentRequired, keyword, name_number(one.key), program_->lists.size() - 1);
        return {};
    }

    core::Result<std::uint32_t> expression(std::string_view keyword, std::string_view text) {
        Expression made;
        made.simple = matcher::SimpleRegex::compile(text);
        if (!made.simple) {
            auto general = matcher::Regex::compile(with_short_categories(text));
            if (!general)
                return bad(keyword, "the expression \"" + std::string(text.substr(0, 128)) +
                                        "\" is not understood: " + general.error().message);
            made.general = std::make_unique<matcher::Regex>(std::move(*general));
            made.turn = std::make_unique<std::mutex>();
        }
        program_->regexes.push_back(std::move(made));
        return static_cast<std::uint32_t>(program_->regexes.size() - 1);
    }

    core::Status compile_pattern() {
        JsonElement element;
        std::string_view text;
        if (!member("pattern", element)) return {};
        if (!element.get(text)) return bad("pattern", "must stand a text");
        const auto number = expression("pattern", text);
        if (!number) return core::fail(number.error());
        emit(Op::kPattern, "pattern", *number);
        return {};
    }

    core::Status compile_applicators() {
        if (!draft7()) {
            if (auto done = compile_reference(); !done) return done;
            if (auto done = compile_dynamic(); !done) return done;
        }
        if (auto done = compile_lists(); !done) return done;
        if (auto done = compile_conditions(); !done) return done;
        if (auto done = compile_object(); !done) return done;
        if (auto done = compile_array(); !done) return done;
        return draft7() ? core::Status{} : compile_unevaluated();
    }

    core::Status compile_dynamic() {
        JsonElement element;
        std::string_view text;
        if (!member("$dynamicRef", element)) return {};
        if (!element.get(text)) return bad("$dynamicRef", "must stand a text");
        const auto found = sources_.find(place_.resource, text);
        if (!found) return core::fail(found.error());
        const std::size_t mark = text.find('#');
        const std::string_view anchor =
            mark == std::string_view::npos ? std::string_view{} : text.substr(mark + 1);
        if (sources_.resource(found->resource).dynamic.contains(anchor))
            emit(Op::kDynamicRef, "$dynamicRef", want(*found), name_number(anchor));
        else
            emit(Op::kRef, "$dynamicRef", want(*found));
        return {};
    }

    core::Status compile_lists() {
        JsonElement element;
        for (const auto& [name, op] : kListKeywords) {
            core::JsonArray list;
            if (!member(name, element)) continue;
            if (!element.get(list) || list.size() == 0)
                return bad(name, "must stand a list of schemas");
            std::vector<SubId> subs;
            for (const JsonElement item : list) {
                const auto sub = below(pointer_of(name) + "/" + std::to_string(subs.size()), item);
                if (!sub) return core::fail(sub.error());
                subs.push_back(*sub);
            }
            const std::size_t first = program_->subs.size();
            program_->subs.insert(program_->subs.end(), subs.begin(), subs.end());
            emit(op, name, first, subs.size());
        }
        return {};
    }

    // The subschema of a keyword; kNoSub without it.
    core::Result<SubId> sub_of(std::string_view keyword) {
        JsonElement element;
        return member(keyword, element) ? below(pointer_of(keyword), element)
                                        : core::Result<SubId>(kNoSub);
    }

    core::Status compile_conditions() {
        const auto negated = sub_of("not");
        if (!negated) return core::fail(negated.error());
        if (*negated != kNoSub) emit(Op::kNot, "not", *negated);
        std::vector<SubId> parts;
        for (const char* keyword : {"if", "then", "else"}) {
            const auto sub = sub_of(keyword);
            if (!sub) return core::fail(sub.error());
            parts.push_back(*sub);
        }
        if (parts.front() == kNoSub) return {};
        emit(Op::kIf, "if", program_->subs.size());
        program_->subs.insert(program_->subs.end(), parts.begin(), parts.end());
        return {};
    }

    core::Status compile_object() {
        if (auto done = compile_properties(); !done) return done;
        const auto names = sub_of("propertyNames");
        if (!names) return core::fail(names.error());
        if (*names != kNoSub) emit(Op::kPropertyNames, "propertyNames", *names);
        const std::string_view keyword = draft7() ? "dependencies" : "dependentSchemas";
        JsonElement element;
        core::JsonMembers members;
        if (!member(keyword, element)) return {};
        if (!element.get(members)) return bad(keyword, "must stand an object");
        for (const core::JsonMember one : members) {
            if (one.value.is_array() && draft7()) {
                if (auto done = depend_on_names(keyword, one); !done) return done;
                continue;
            }
            const auto sub = below(child_pointer(pointer_of(keyword), one.key), one.value);
            if (!sub) return core::fail(sub.error());
            emit(Op::kDependentSchema, keyword, name_number(one.key), *sub);
        }
        return {};
    }

    core::Status compile_properties() {
        ObjectRules rules;
        JsonElement element;
        core::JsonMembers members;
        if (member("properties", element)) {
            if (!element.get(members)) return bad("properties", "must stand an object");
            for (const core::JsonMember one : members) {
                const auto sub = below(child_pointer(pointer_of("properties"), one.key), one.value);
                if (!sub) return core::fail(sub.error());
                rules.properties.emplace_back(one.key, *sub);
            }
            std::sort(rules.properties.begin(), rules.properties.end());
        }
        if (member("patternProperties", element)) {
            if (!element.get(members)) return bad("patternProperties", "must stand an object");
            for (const core::JsonMember one : members) {
                const auto regex = expression("patternProperties", one.key);
                if (!regex) return core::fail(regex.error());
                const auto sub =
                    below(child_pointer(pointer_of("patternProperties"), one.key), one.value);
                if (!sub) return core::fail(sub.error());
                rules.patterns.emplace_back(*regex, *sub);
            }
        }
        const auto additional = sub_of("additionalProperties");
        if (!additional) return core::fail(additional.error());
        rules.additional = *additional;
        if (rules.properties.empty() && rules.patterns.empty() && rules.additional == kNoSub)
            return {};
        rules.additional_path = path_of("additionalProperties");
        program_->objects.push_back(std::move(rules));
        emit(Op::kProperties, "properties", program_->objects.size() - 1);
        return {};
    }

    core::Status compile_array() {
        ArrayRules rules;
        JsonElement element;
        core::JsonArray list;
        const std::string_view prefix = draft7() ? "items" : "prefixItems";
        if (member(prefix, element) && element.get(list)) {
            for (const JsonElement item : list) {
                const auto sub =
                    below(pointer_of(prefix) + "/" + std::to_string(rules.prefix.size()), item);
                if (!sub) return core::fail(sub.error());
                rules.prefix.push_back(*sub);
            }
            if (draft7()) {
                const auto rest = sub_of("additionalItems");
                if (!rest) return core::fail(rest.error());
                rules.rest = *rest;
            }
        } else if (!draft7() && member(prefix, element)) {
            return bad(prefix, "must stand a list of schemas");
        }
        if (!(draft7() && !rules.prefix.empty()) && member("items", element) &&
            !(draft7() && element.is_array())) {
            const auto rest = sub_of("items");
            if (!rest) return core::fail(rest.error());
            rules.rest = *rest;
        }
        if (!rules.prefix.empty() || rules.rest != kNoSub) {
            program_->arrays.push_back(std::move(rules));
            emit(Op::kItems, "items", program_->arrays.size() - 1);
        }
        return compile_contains();
    }

    core::Status compile_contains() {
        ContainsRules rules;
        const auto sub = sub_of("contains");
        if (!sub) return core::fail(sub.error());
        if (*sub == kNoSub) return {};
        rules.sub = *sub;
        rules.evaluates = !draft7();
        JsonElement element;
        for (const auto& [keyword, out] :
             {std::pair("minContains", &rules.min), std::pair("maxContains", &rules.max)}) {
            if (draft7() || !member(keyword, element) || !resource().asserts) continue;
            const auto count = small_count(element);
            if (!count) return bad(keyword, "must stand a whole number from 0");
            *out = *count;
        }
        program_->counts.push_back(rules);
        emit(Op::kContains, "contains", program_->counts.size() - 1);
        return {};
    }

    core::Status compile_unevaluated() {
        for (const auto& [keyword, op] :
             {std::pair("unevaluatedItems", Op::kUnevaluatedItems),
              std::pair("unevaluatedProperties", Op::kUnevaluatedProperties)}) {
            const auto sub = sub_of(keyword);
            if (!sub) return core::fail(sub.error());
            if (*sub == kNoSub) continue;
            program_->tracks_evaluated = true;
            emit(op, keyword, *sub);
        }
        return {};
    }

    // What is asked of every event, in a form that is quick to ask.
    void prepare() {
        for (const JsonElement value : program_->values) {
            matcher::NumberView& number = program_->numbers.emplace_back();
            if (value.is_number()) (void)matcher::parse_number(value.raw(), number);
        }
        for (ObjectRules& rules : program_->objects) {
            if (rules.properties.size() > kHashedPropertiesMax) continue;
            for (const auto& [name, sub] : rules.properties)
                rules.hashes.push_back(core::hash_key(name));
        }
        for (const Subschema& sub : program_->subschemas) join_required(sub);
    }

    // Members that must be there and have a schema each are seen while those are asked.
    void join_required(const Subschema& sub) {
        Instruction* required = nullptr;
        ObjectRules* rules = nullptr;
        for (std::uint32_t i = sub.begin; i < sub.end; ++i) {
            Instruction& one = program_->code[i];
            if (one.op == Op::kRequired) required = &one;
            if (one.op == Op::kProperties) rules = &program_->objects[one.a];
        }
        if (!required || !rules || rules->hashes.empty()) return;
        std::uint64_t bits = 0;
        for (std::uint32_t i = 0; i < required->b; ++i) {
            const std::string_view name = program_->names[required->a + i];
            std::size_t at = 0;
            while (at < rules->properties.size() && rules->properties[at].first != name) ++at;
            if (at == rules->properties.size()) return;
            bits |= std::uint64_t{1} << at;
        }
        rules->required = bits;
        required->op = Op::kRequiredHere;
    }

    // The targets of dynamic references in all resources that came together.
    core::Status name_dynamic_anchors() {
        const bool any =
            std::any_of(program_->code.begin(), program_->code.end(),
                        [](const Instruction& one) { return one.op == Op::kDynamicRef; });
        program_->has_dynamic = any;
        for (std::uint32_t number = 0; any && number < sources_.resources(); ++number) {
            for (const std::string& name : sources_.resource(number).dynamic)
                (void)want(sources_.resource(number).anchors.at(name));
        }
        if (auto done = drain(); !done) return done;
        program_->dynamic_anchors.resize(sources_.resources());
        for (std::uint32_t number = 0; any && number < sources_.resources(); ++number) {
            for (const std::string& name : sources_.resource(number).dynamic) {
                const Place& place = sources_.resource(number).anchors.at(name);
                JsonElement element;
                std::string_view text;
                if (!place.element.find("$dynamicAnchor", element) || !element.get(text)) continue;
                program_->dynamic_anchors[number][text] =
                    numbers_.at({place.resource, place.pointer});
            }
        }
        return {};
    }

    // Subschemas that are asked about the same value as the one they stand in.
    template <typename Visit>
    void in_place(const Instruction& one, Visit&& visit) const {
        switch (one.op) {
            case Op::kRef:
            case Op::kDynamicRef:
            case Op::kNot: visit(one.a); break;
            case Op::kDependentSchema: visit(one.b); break;
            case Op::kAllOf:
            case Op::kAnyOf:
            case Op::kOneOf:
                for (std::uint32_t i = 0; i < one.b; ++i) visit(program_->subs[one.a + i]);
                break;
            case Op::kIf:
                for (std::uint32_t i = 0; i < 3; ++i) {
                    if (program_->subs[one.a + i] != kNoSub) visit(program_->subs[one.a + i]);
                }
                break;
            default: break;
        }
    }

    // A value would be asked about itself for ever.
    core::Status refuse_loops() const {
        enum class Mark : std::uint8_t { kNew, kOpen, kDone };
        std::vector<Mark> marks(program_->subschemas.size(), Mark::kNew);
        std::vector<std::pair<SubId, bool>> stack;
        for (SubId first = 0; first < marks.size(); ++first) {
            stack.emplace_back(first, false);
            while (!stack.empty()) {
                const auto [sub, leaving] = stack.back();
                stack.pop_back();
                if (leaving) {
                    marks[sub] = Mark::kDone;
                    continue;
                }
                if (marks[sub] != Mark::kNew) continue;
                marks[sub] = Mark::kOpen;
                stack.emplace_back(sub, true);
                bool loop = false;
                const Subschema& of = program_->subschemas[sub];
                for (std::uint32_t i = of.begin; i < of.end; ++i) {
                    in_place(program_->code[i], [&](SubId next) {
                        loop = loop || marks[next] == Mark::kOpen;
                        if (marks[next] == Mark::kNew) stack.emplace_back(next, false);
                    });
                }
                if (loop)
                    return bad_schema("",
                                      "a $ref leads back to itself without going deeper into "
                                      "the value");
            }
        }
        return {};
    }

    SchemaSources sources_;
    std::shared_ptr<Program> program_ = std::make_shared<Program>();
    std::map<std::pair<std::uint32_t, std::string>, SubId> numbers_;
    std::deque<std::pair<SubId, Place>> waiting_;
    Place place_;
    std::vector<Instruction> own_;
};

}  // namespace

core::Result<ProgramRef> compile_schema(std::string_view text, const CompileOptions& options) {
    return Compiler(options).run(text, options.uri);
}

}  // namespace millrace::runtime::schema
