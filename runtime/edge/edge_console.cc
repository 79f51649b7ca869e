#include "runtime/edge/edge_console.h"

#include "io/content_coding.h"

#include <algorithm>
#include <string>

namespace millrace::runtime {
namespace {

// Scripts, styles and requests of the page's own origin and nothing else; what comes with an event
// is never a script, whatever stands in it.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'";

// For clients that take no gzip: people with a command line.
constexpr std::size_t kFileBytesMax = 4u << 20;

core::Result<std::string> plain_text(const api::ConsoleFile& file) {
    if (file.gzip.empty()) return std::string(file.plain);
    io::SizedPools pools;
    const auto text = io::inflate_gzip(file.gzip, kFileBytesMax, pools);
    if (!text) return core::fail(text.error());
    return std::string(text->view());
}

bool has_this(std::string_view if_none_match, std::string_view etag) {
    return if_none_match == "*" || if_none_match.find(etag) != std::string_view::npos;
}

void add_headers(api::ApiResponse& response, const api::ConsoleFile& file) {
    response.headers = {
        {"Content-Security-Policy", std::string(kPolicy)},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", file.immutable ? "public, max-age=31536000, immutable" : "no-cache"},
        {"ETag", std::string(file.etag)},
        {"Vary", "Accept-Encoding"},
    };
}

}  // namespace

api::ApiResponse answer_console(const io::Request& request, api::ConsoleFiles files) {
    const auto file = std::find_if(files.begin(), files.end(), [&](const api::ConsoleFile& one) {
        return one.path == request.path;
    });
    if (file == files.end()) {
        return api::error_response(
            {core::ErrorCode::kNotFound,
             "GET " + std::string(request.path.substr(0, 256)) +
                 (files.empty() ? ": the console is off (console.enabled)"
                                : ": there is no such resource; the console is at /")});
    }
    api::ApiResponse response;
    response.content_type = file->type;
    add_headers(response, *file);
    if (has_this(request.header("If-None-Match"), file->etag)) {
        response.status = 304;
        return response;
    }
    if (!file->gzip.empty() && io::accepts_gzip(request.header("Accept-Encoding"))) {
        response.headers.emplace_back("Content-Encoding", "gzip");
        response.body = file->gzip;
        return response;
    }
    auto plain = plain_text(*file);
    if (!plain) return api::error_response(plain.error());
    response.body = std::move(*plain);
    return response;
}

}  // namespace millrace::runtime
