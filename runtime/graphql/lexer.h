// What: the tokens of a GraphQL document (October 2021), one after the other: names, numbers,
//       strings, block strings, punctuation; commas, blanks, comments and a BOM are between them.
// Threads: one owner. Lifetime: borrows the text; a string's text is decoded when it is asked for.
// Limits: kTokensMax tokens of a document.
// Failure: the first byte that fits nothing is an Error with its position, and nothing is read
//       behind it; a token too many names the limit.
#pragma once

#include "core/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime::graphql {

inline constexpr std::size_t kTokensMax = 2'000;

enum class TokenKind : std::uint8_t {
    kEnd,
    kPunctuator,  // one of ! $ & ( ) ... : = @ [ ] { | }
    kName,
    kInt,
    kFloat,
    kString,
    kBlockString,
};

struct Token {
    TokenKind kind = TokenKind::kEnd;
    std::string_view text;  // as it stands, with its quotes
    std::size_t position = 0;

    bool is(std::string_view punctuator) const {
        return kind == TokenKind::kPunctuator && text == punctuator;
    }
    bool is_name(std::string_view name) const { return kind == TokenKind::kName && text == name; }
};

class Lexer {
public:
    explicit Lexer(std::string_view text) : text_(text) {}
    core::Result<Token> next();

private:
    void skip_ignored();
    core::Result<Token> number();
    core::Result<Token> string();
    core::Result<Token> block_string();
    Token take(TokenKind kind, std::size_t end);

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t tokens_ = 0;
};

// What a string or a block string means; `token` came from a Lexer.
std::string string_value(const Token& token);

// How errors tell a token.
std::string token_text(const Token& token);

core::Error syntax_error(std::size_t position, const std::string& what);

}  // namespace millrace::runtime::graphql
