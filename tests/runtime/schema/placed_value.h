// A JSON value as the event parser hands a payload on: a place among the tokens of a text.
#pragma once

#include "core/json_place.h"
#include "core/json_tokens.h"

#include <string>
#include <string_view>

namespace millrace::runtime::schema {

class PlacedValue {
public:
    // Of a value that is known to be JSON.
    explicit PlacedValue(std::string_view value)
        : text_("{\"v\":" + std::string(value) + "}" + std::string(64, ' ')) {
        (void)tokens_.run(text_.data(), value.size() + 7);
    }
    PlacedValue(const PlacedValue&) = delete;
    PlacedValue& operator=(const PlacedValue&) = delete;

    core::JsonPlace place() const {
        const std::uint32_t* const token = tokens_.begin() + 3;
        std::size_t end = text_.rfind('}');
        while (text_[end - 1] == ' ' || text_[end - 1] == '\n') --end;
        return {text_.data(), token, end - *token};
    }

private:
    std::string text_;
    core::JsonTokens tokens_;
};

}  // namespace millrace::runtime::schema
