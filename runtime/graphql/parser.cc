#include "runtime/graphql/parser.h"

#include "runtime/graphql/lexer.h"

#include <utility>

namespace millrace::runtime::graphql {
namespace {

enum class Constness : std::uint8_t { kConstant, kAny };

// The first error sticks; what is read behind it is nothing.
class Parser {
public:
    explicit Parser(std::string_view text) : lexer_(text) { advance(); }

    core::Result<Document> document() {
        Document out;
        do {
            definition(out);
        } while (!error_ && token_.kind != TokenKind::kEnd);
        if (error_) return core::fail(std::move(*error_));
        return out;
    }

private:
    // One level of what may hold itself.
    class Nested {
    public:
        explicit Nested(Parser& parser) : parser_(parser) {
            if (++parser_.nesting_ <= kNestingMax) return;
            parser_.refuse(syntax_error(parser_.token_.position, "it is nested more than " +
                                                                     std::to_string(kNestingMax) +
                                                                     " deep, the most that is read")
                               .bound(kNestingMax));
        }
        Nested(const Nested&) = delete;
        Nested& operator=(const Nested&) = delete;
        ~Nested() { --parser_.nesting_; }

    private:
        Parser& parser_;
    };

    void refuse(core::Error&& error) {
        if (!error_) error_ = std::move(error);
        token_ = {TokenKind::kEnd, {}, token_.position};
    }
    void unexpected(const std::string& expected) {
        refuse(syntax_error(token_.position,
                            "expected " + expected + ", found " + token_text(token_)));
    }
    void advance() {
        if (error_) return;
        auto next = lexer_.next();
        if (!next) return refuse(std::move(next.error()));
        token_ = *next;
    }
    bool skip(std::string_view punctuator) {
        if (error_ || !token_.is(punctuator)) return false;
        advance();
        return true;
    }
    void expect(std::string_view punctuator) {
        if (!skip(punctuator)) unexpected("\"" + std::string(punctuator) + "\"");
    }
    std::string_view name() {
        if (token_.kind != TokenKind::kName) {
            unexpected("a name");
            return {};
        }
        const std::string_view text = token_.text;
        advance();
        return text;
    }
    // One or more, between two punctuators.
    template <typename One>
    void list(std::string_view open, std::string_view close, One&& one) {
        expect(open);
        do {
            one();
        } while (!error_ && !token_.is(close) && token_.kind != TokenKind::kEnd);
        expect(close);
    }

    void definition(Document& out) {
        const std::size_t position = token_.position;
        if (token_.is("{")) {
            Operation operation;
            operation.position = position;
            operation.selections = selections();
            out.operations.push_back(std::move(operation));
            return;
        }
        skip_description();
        if (token_.is_name("query") || token_.is_name("mutation") || token_.is_name("subscription"))
            return operation_definition(out);
        if (token_.is_name("fragment")) return fragment_definition(out);
        unexpected("a query, a subscription or a fragment");
    }

    void operation_definition(Document& out) {
        Operation operation;
        operation.position = token_.position;
        operation.kind = token_.is_name("query")      ? OperationKind::kQuery
                         : token_.is_name("mutation") ? OperationKind::kMutation
                                                      : OperationKind::kSubscription;
        advance();
        if (token_.kind == TokenKind::kName) operation.name = name();
        if (token_.is("(")) list("(", ")", [&] { operation.variables.push_back(variable()); });
        operation.directives = directives(Constness::kAny);
        operation.selections = selections();
        out.operations.push_back(std::move(operation));
    }

    void fragment_definition(Document& out) {
        Fragment fragment;
        fragment.position = token_.position;
        advance();
        if (token_.is_name("on")) return unexpected("a fragment's name");
        fragment.name = name();
        fragment.on = type_condition();
        fragment.directives = directives(Constness::kAny);
        fragment.selections = selections();
        out.fragments.push_back(std::move(fragment));
    }

    std::string_view type_condition() {
        if (!token_.is_name("on")) {
            unexpected("\"on\"");
            return {};
        }
        advance();
        return name();
    }

    // What a definition is for; nothing hangs on it.
    void skip_description() {
        if (token_.kind == TokenKind::kString || token_.kind == TokenKind::kBlockString) advance();
    }

    Variable variable() {
        skip_description();
        Variable out;
        out.position = token_.position;
        expect("$");
        out.name = name();
        expect(":");
        out.type = type();
        if (skip("=")) out.absent = value(Constness::kConstant);
        out.directives = directives(Constness::kConstant);
        return out;
    }

    std::string type() {
        const Nested nested(*this);
        std::string out;
        if (skip("[")) {
            out = "[" + type() + "]";
            expect("]");
        } else {
            out = name();
        }
        if (skip("!")) out += '!';
        return out;
    }

    std::vector<Selection> selections() {
        const Nested nested(*this);
        std::vector<Selection> out;
        list("{", "}", [&] { out.push_back(selection()); });
        return out;
    }

    Selection selection() {
        Selection out;
        out.position = token_.position;
        if (!skip("...")) return field(std::move(out));
        if (token_.kind == TokenKind::kName && token_.text != "on") {
            out.kind = Selection::Kind::kSpread;
            out.name = name();
            out.directives = directives(Constness::kAny);
            return out;
        }
        out.kind = Selection::Kind::kInline;
        if (token_.kind == TokenKind::kName) out.on = type_condition();
        out.directives = directives(Constness::kAny);
        out.selections = selections();
        return out;
    }

    Selection field(Selection out) {
        out.name = out.alias = name();
        if (skip(":")) out.name = name();
        out.arguments = arguments(Constness::kAny);
        out.directives = directives(Constness::kAny);
        if (token_.is("{")) out.selections = selections();
        return out;
    }

    std::vector<Argument> arguments(Constness constness) {
        std::vector<Argument> out;
        if (!token_.is("(")) return out;
        list("(", ")", [&] {
            Argument argument;
            argument.position = token_.position;
            argument.name = name();
            expect(":");
            argument.value = value(constness);
            out.push_back(std::move(argument));
        });
        return out;
    }

    std::vector<Directive> directives(Constness constness) {
        std::vector<Directive> out;
        while (!error_ && token_.is("@")) {
            Directive directive;
            directive.position = token_.position;
            advance();
            directive.name = name();
            directive.arguments = arguments(constness);
            out.push_back(std::move(directive));
        }
        return out;
    }

    Value value(Constness constness) {
        const Nested nested(*this);
        Value out;
        out.position = token_.position;
        switch (token_.kind) {
            case TokenKind::kInt: return scalar(std::move(out), Value::Kind::kInt);
            case TokenKind::kFloat: return scalar(std::move(out), Value::Kind::kFloat);
            case TokenKind::kString:
            case TokenKind::kBlockString:
                out.kind = Value::Kind::kString;
                out.text = string_value(token_);
                advance();
                return out;
            case TokenKind::kName: return word(std::move(out));
            default: break;
        }
        if (token_.is("$") && constness == Constness::kAny) {
            advance();
            out.kind = Value::Kind::kVariable;
            out.text = name();
        } else if (token_.is("[")) {
            out.kind = Value::Kind::kList;
            advance();
            while (!error_ && !token_.is("]") && token_.kind != TokenKind::kEnd)
                out.items.push_back(value(constness));
            expect("]");
        } else if (token_.is("{")) {
            out.kind = Value::Kind::kObject;
            advance();
            while (!error_ && !token_.is("}") && token_.kind != TokenKind::kEnd) {
                out.names.push_back(name());
                expect(":");
                out.items.push_back(value(constness));
            }
            expect("}");
        } else {
            unexpected(constness == Constness::kAny ? "a value" : "a value without variables");
        }
        return out;
    }

    Value scalar(Value out, Value::Kind kind) {
        out.kind = kind;
        out.text = token_.text;
        advance();
        return out;
    }

    Value word(Value out) {
        const std::string_view text = token_.text;
        if (text == "true" || text == "false") return scalar(std::move(out), Value::Kind::kBoolean);
        return scalar(std::move(out), text == "null" ? Value::Kind::kNull : Value::Kind::kEnum);
    }

    Lexer lexer_;
    Token token_;
    std::size_t nesting_ = 0;
    std::optional<core::Error> error_;
};

}  // namespace

core::Result<Document> parse_document(std::string_view text) { return Parser(text).document(); }

}  // namespace millrace::runtime::graphql
