// What: the headers that an error brings along beside its body: how to show a key (401), when to
//       come back (429, 503), and which rate limit was reached (429 that names one).
// Threads: any. Lifetime: the fields live as long as this. Limits: none. Failure: none.
#pragma once

#include "core/result.h"
#include "io/http_types.h"

#include <array>
#include <span>
#include <string>

namespace millrace::io {

class ErrorHeaders {
public:
    explicit ErrorHeaders(const core::Error& error);
    ErrorHeaders(const ErrorHeaders&) = delete;
    ErrorHeaders& operator=(const ErrorHeaders&) = delete;

    std::span<const HeaderField> fields() const { return {fields_.data(), count_}; }

private:
    void add(std::string_view name, std::string_view value) { fields_[count_++] = {name, value}; }

    std::string retry_after_, policy_, limit_;
    std::array<HeaderField, 4> fields_{};
    std::size_t count_ = 0;
};

}  // namespace millrace::io
