// What: the command line's HTTP client: one kept-alive connection to the server, over libcurl.
// Threads: one. Lifetime: owns its curl handle; replies own their bytes.
// Limits: replies of any size are held in memory, except streams, which are handed on in pieces.
// Failure: a transport error is an Error with a next step; an HTTP status is part of the reply.
#pragma once

#include "core/result.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tools {

struct HttpReply {
    long status = 0;
    std::string body{};
    bool ok() const { return status >= 200 && status < 300; }
};

struct HttpRequest {
    std::string method = "GET";
    std::string path{};  // with the query
    std::string body{};
    std::string content_type = "application/json";
    std::vector<std::string> headers{};  // "Name: value"
};

class HttpClient {
public:
    struct Options {
        std::string server = "http://127.0.0.1:7070";
        std::string api_key{};
        std::string ca_file{};  // empty: the system's
        std::string client_cert{}, client_key{};
        long connect_timeout_ms = 5'000;
        long reply_timeout_ms = 120'000;
    };

    // A server without a scheme ("host:port") is taken as http.
    static core::Result<std::unique_ptr<HttpClient>> create(Options options);
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient();

    core::Result<HttpReply> send(const HttpRequest& request);

    // Hands the body on as it arrives, until the server ends it or `on_bytes` returns false. A
    // reply that is not 2xx is collected into `body` instead.
    core::Result<HttpReply> stream(const HttpRequest& request,
                                   const std::function<bool(std::string_view)>& on_bytes);

    const std::string& server() const { return options_.server; }

private:
    explicit HttpClient(Options options);
    core::Result<HttpReply> perform(const HttpRequest& request,
                                    const std::function<bool(std::string_view)>* on_bytes);

    Options options_;
    void* curl_ = nullptr;  // CURL*; curl's header stays in the .cc file
};

// "?a=1&b=x%20y": empty values are left out.
class Query {
public:
    Query& add(std::string_view name, std::string_view value);
    Query& add(std::string_view name, std::int64_t value);
    const std::string& str() const { return text_; }

private:
    std::string text_;
};

std::string url_escaped(std::string_view text);

}  // namespace millrace::tools
