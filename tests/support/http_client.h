// What: a blocking HTTP/1.1 client of one kept connection, for tests that run the server in their
//       own process.
// Threads: one. Lifetime: a test. Limits: IPv4 loopback, answers with a Content-Length.
// Failure: status 0 when the connection is gone.
#pragma once

#include <string>
#include <string_view>

namespace millrace::test {

struct HttpReply {
    int status = 0;
    std::string body;
};

class HttpClient {
public:
    explicit HttpClient(const std::string& host_and_port);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    HttpReply get(std::string_view path);
    HttpReply post(std::string_view path, std::string_view type, std::string_view body);

private:
    HttpReply exchange(std::string_view head, std::string_view body);
    bool send_all(std::string_view bytes);

    int socket_ = -1;
    std::string head_;
    std::string received_;
};

}  // namespace millrace::test
