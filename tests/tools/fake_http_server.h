// What: a tiny HTTP server for tests of the command line: one connection at a time, a function that
//       answers each request, and a record of what was asked.
// Threads: start/stop and the record from the test; the answering function runs on its own thread.
// Lifetime: stops in the destructor. Limits: Content-Length bodies only.
// Failure: a test that can not bind aborts.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace millrace::tools {

struct FakeRequest {
    std::string method;
    std::string target;
    std::string head;  // the whole head, for looking at header lines
    std::string body;
};

struct FakeReply {
    int status = 200;
    std::string body = "{}";
    std::string content_type = "application/json";
};

class FakeHttpServer {
public:
    using Answer = std::function<FakeReply(const FakeRequest&)>;

    explicit FakeHttpServer(Answer answer);
    FakeHttpServer(const FakeHttpServer&) = delete;
    FakeHttpServer& operator=(const FakeHttpServer&) = delete;
    ~FakeHttpServer();

    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
    std::vector<FakeRequest> requests();

private:
    void serve();
    void serve_connection(int connection);
    bool read_request(int connection, std::string& buffer, FakeRequest& request);

    Answer answer_;
    int listener_ = -1;
    int port_ = 0;
    std::thread thread_;
    std::mutex mutex_;
    std::vector<FakeRequest> requests_;
    int connection_ = -1;
    bool stopping_ = false;
};

}  // namespace millrace::tools
