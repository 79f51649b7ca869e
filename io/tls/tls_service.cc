#include "io/tls/tls_service.h"

#include "core/result.h"
#include "io/error_body.h"

namespace millrace::io {

namespace {

std::string http_refusal() {
    const std::string body = error_body(
        core::Error(core::ErrorCode::kValidation, "http: this port speaks TLS; use https://"));
    return "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
}

std::string line_refusal() {
    return R"({"error":)" +
           error_object(core::Error(core::ErrorCode::kValidation, "socket: this port speaks TLS")) +
           "}\n";
}

}  // namespace

const TlsService& http_tls_service() {
    static const TlsService service{"http/1.1", "h2", http_refusal()};
    return service;
}

const TlsService& line_tls_service() {
    static const TlsService service{"millrace-lines", {}, line_refusal()};
    return service;
}

}  // namespace millrace::io
