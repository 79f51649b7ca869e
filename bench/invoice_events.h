// The invoice event of about 345 bytes that the design was measured with, numbered.
#pragma once

#include <cstdio>
#include <string>

namespace millrace::bench {

inline std::string invoice_event(unsigned number) {
    char text[512];
    std::snprintf(
        text, sizeof text,
        R"({"eventId":"evt_%08u","pattern":"invoice.created","version":"1.0.0",)"
        R"("source":{"type":"integration","id":"billing-service"},)"
        R"("timestamp":"2026-01-15T10:%02u:%02u.123Z",)"
        R"("payload":{"invoiceId":"inv_%08u","customerId":"cus_%05u","amount":%u.%02u,"currency":"EUR",)"
        R"("paid":%s,"lines":%u},)"
        R"("metadata":{"correlationId":"cor_%08u","context":{"type":"client","id":"c%u"}}})",
        number, number / 60 % 60, number % 60, number, number % 10007, number % 9973, number % 100,
        number % 2 ? "true" : "false", number % 7 + 1, number / 3, number % 100);
    return text;
}

}  // namespace millrace::bench
