#include "runtime/edge/edge_console.h"

#include "io/content_coding.h"

#include <algorithm>
#include <fstream>
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
core::Result<std::string> plain_text(const api::ConsoleFile& file) {
    if (file.gzip.empty()) return std::string(file.plain);
    io::SizedPools pools;
    const auto text = io::inflate_gzip(file.gzip, kConsoleFileBytesMax, pools);
    if (!text) return core::fail(text.error());
    return std::string(text->view());
}

// ---- a developer's folder

// One name: what leads elsewhere, or is hidden, is none.
bool is_file_name(std::string_view name) {
    return !name.empty() && name.front() != '.' &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

std::string_view type_of(std::string_view name) {
    if (name.ends_with(".html")) return "text/html; charset=utf-8";
    if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
    if (name.ends_with(".css")) return "text/css; charset=utf-8";
    if (name.ends_with(".svg")) return "image/svg+xml";
    if (name.ends_with(".json")) return "application/json";
    return "text/plain; charset=utf-8";
}

bool read_file(const std::string& path, std::string& out) {
    std::ifstream in(path, std::ios::binary | std::ios::ate);
    const std::streamoff bytes = in ? static_cast<std::streamoff>(in.tellg()) : -1;
    if (bytes < 0 || bytes > static_cast<std::streamoff>(kConsoleFileBytesMax)) return false;
    out.resize(static_cast<std::size_t>(bytes));
    in.seekg(0);
    return static_cast<bool>(in.read(out.data(), bytes));
}

struct FileOfFolder {
    std::string text;
    api::ConsoleFile file;  // its views are of `text`
};

bool find_in_folder(const std::string& dir, std::string_view path, FileOfFolder& out) {
    constexpr std::string_view kFolder = "/console/";
    const std::string_view name = path == "/"                 ? std::string_view("index.html")
                                  : path.starts_with(kFolder) ? path.substr(kFolder.size())
                                                              : std::string_view();
    if (!is_file_name(name)) return false;
    const std::string at = dir + "/" + std::string(name);
    out.file.type = type_of(name);
    if (read_file(at, out.text)) {
        out.file.plain = out.text;
        return true;
    }
    if (!read_file(at + ".gz", out.text)) return false;
    out.file.gzip = out.text;
    return true;
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
        {"Vary", "Accept-Encoding"},
    };
    if (!file.etag.empty()) response.headers.emplace_back("ETag", std::string(file.etag));
}

}  // namespace

api::ApiResponse answer_console(const io::Request& request, const api::ConsoleSet& console) {
    const api::ConsoleFiles files = console.files;
    const auto built_in = std::find_if(files.begin(), files.end(),
                                       [&](const auto& one) { return one.path == request.path; });
    const api::ConsoleFile* file = built_in == files.end() ? nullptr : &*built_in;
    FileOfFolder found;
    if (!console.dir.empty() && find_in_folder(console.dir, request.path, found))
        file = &found.file;
    if (!file) {
        return api::error_response(
            {core::ErrorCode::kNotFound,
             "GET " + std::string(request.path.substr(0, 256)) +
                 (files.empty() ? ": the console is off (console.enabled)"
                                : ": there is no such resource; the console is at /")});
    }
    api::ApiResponse response;
    response.content_type = file->type;
    add_headers(response, *file);
    if (!file->etag.empty() && has_this(request.header("If-None-Match"), file->etag)) {
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
