#include "io/error_body.h"

#include "io/sized_pools.h"

namespace millrace::io {

void append_error_object(BodyWriter& out, const core::Error& error, std::string_view found) {
    out.append(R"({"message":)");
    out.append_json_string(error.message);
    out.append(R"(,"code":")");
    out.append(core::error_code_text(error.code));
    out.append(R"(","statusCode":)");
    out.append_int(core::error_code_status(error.code));
    out.append(R"(,"details":{)");
    std::string_view comma;
    if (!error.field.empty()) {
        out.append(R"("field":)");
        out.append_json_string(error.field);
        comma = ",";
    }
    const auto number = [&](std::string_view name, std::int64_t value) {
        if (value == core::Error::kNoPosition) return;
        out.append(comma);
        out.append('"');
        out.append(name);
        out.append("\":");
        out.append_int(value);
        comma = ",";
    };
    number("position", error.position);
    number("limit", error.limit);
    number("retryAfterSeconds", error.retry_after_seconds);
    if (error.code == core::ErrorCode::kRateLimited && !error.field.empty()) {
        out.append(comma);
        out.append(R"("violatedPolicies":[)");
        out.append_json_string(error.field);
        out.append("]");
        comma = ",";
    }
    if (!found.empty()) {
        out.append(comma);
        out.append(R"("errors":)");
        out.append(found);
    }
    out.append("}}");
}

void append_error_body(BodyWriter& out, const core::Error& error) {
    out.append(R"({"success":false,"error":)");
    append_error_object(out, error);
    out.append('}');
}

std::string error_body(const core::Error& error, std::string_view found) {
    return R"({"success":false,"error":)" + error_object(error, found) + "}";
}

std::string error_object(const core::Error& error, std::string_view found) {
    SizedPools pools;
    std::string text;
    {
        BodyWriter writer(pools);
        append_error_object(writer, error, found);
        text = writer.view();
    }
    return text;
}

}  // namespace millrace::io
