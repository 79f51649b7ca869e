// Goal: the grammar, the limits and the smuggling classes of HTTP/1.1, as text cases: bytes in,
// requests seen by the handler and statuses out. Method: each case of tests/data/http runs whole on
// every backend, and in memory also cut in two at every byte and byte by byte, all of it through a
// transform of the bytes and through TLS too; all must come to the same.
#include "io/http_server.h"
#include "tests/io/edge_world.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace millrace::io {
namespace {

struct Case {
    std::string name, file, input;
    HttpLimits limits;
    std::vector<std::string>
        outcome;  // "request ..." and "status ..." in order, then "closed" or "open"
};

// \r \n \t \0 \\ \xHH
std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\') {
            out.push_back(text[i]);
            continue;
        }
        const char kind = text[++i];
        if (kind == 'x') {
            out.push_back(
                static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16)));
            i += 2;
        } else {
            out.push_back(kind == 'r'   ? '\r'
                          : kind == 'n' ? '\n'
                          : kind == 't' ? '\t'
                          : kind == '0' ? '\0'
                                        : kind);
        }
    }
    return out;
}

void set_limit(HttpLimits& limits, const std::string& name, std::size_t value) {
    if (name == "request_line_bytes_max")
        limits.request_line_bytes_max = value;
    else if (name == "header_bytes_max")
        limits.header_bytes_max = value;
    else if (name == "header_count_max")
        limits.header_count_max = value;
    else if (name == "body_bytes_max")
        limits.body_bytes_max = value;
    else if (name == "chunk_overhead_bytes_max")
        limits.chunk_overhead_bytes_max = value;
    else
        ADD_FAILURE() << "unknown limit " << name;
}

void read_line(const std::string& line, Case& one) {
    const std::size_t space = line.find(' ');
    const std::string verb = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (verb == "send") {
        one.input += unescape(rest);
    } else if (verb == "repeat") {
        const std::size_t gap = rest.find(' ');
        for (int i = std::stoi(rest); i > 0; --i) one.input += unescape(rest.substr(gap + 1));
    } else if (verb == "limit") {
        const std::size_t gap = rest.find(' ');
        set_limit(one.limits, rest.substr(0, gap), std::stoul(rest.substr(gap + 1)));
    } else if (verb == "request" || verb == "status" || verb == "closed" || verb == "open") {
        one.outcome.push_back(line);
    } else {
        ADD_FAILURE() << one.file << ": unknown line " << line;
    }
}

std::vector<Case> read_cases() {
    std::vector<Case> cases;
    for (const auto& entry :
         std::filesystem::directory_iterator(MILLRACE_SOURCE_DIR "/tests/data/http")) {
        if (entry.path().extension() != ".case") continue;
        std::ifstream file(entry.path());
        std::string line;
        while (std::getline(file, line)) {
            if (line.empty() || line[0] == '#') continue;
            if (line.rfind("== ", 0) == 0) {
                cases.push_back(Case{line.substr(3), entry.path().filename().string(), "", {}, {}});
            } else {
                read_line(line, cases.back());
            }
        }
    }
    return cases;
}

class Recorder final : public HttpHandler {
public:
    HttpServer* server = nullptr;
    std::vector<std::string> seen;
    void on_request(Request& request) override {
        std::string line =
            "request " + std::string(method_text(request.method)) + " " + std::string(request.path);
        if (!request.query.empty()) line += "?" + std::string(request.query);
        if (!request.body_view().empty()) line += " " + std::string(request.body_view());
        seen.push_back(line);
        server->respond(request.token, ResponseHead{}, "ok");
    }
};

// The statuses of a stream of answers; their bodies are skipped by Content-Length.
std::vector<std::string> statuses_of(std::string_view text,
                                     const std::vector<std::string>& requests) {
    std::vector<std::string> out;
    std::size_t answer = 0;
    while (text.substr(0, 9) == "HTTP/1.1 ") {
        const std::string status(text.substr(9, 3));
        const std::size_t end = text.find("\r\n\r\n");
        const std::string_view head = text.substr(0, end);
        const std::size_t at = head.find("Content-Length: ");
        std::size_t body =
            at == std::string_view::npos ? 0 : std::stoul(std::string(head.substr(at + 16, 12)));
        if (status != "100") {
            if (answer < requests.size() && requests[answer].rfind("request HEAD", 0) == 0)
                body = 0;
            ++answer;
        }
        text.remove_prefix(end + 4 + body);
        out.push_back("status " + status);
    }
    if (!text.empty()) out.push_back("rest " + std::string(text.substr(0, 40)));
    return out;
}

enum class Cut : std::uint8_t { kWhole, kInTwo, kEveryByte };

std::vector<std::string> run(const Case& one, World kind, Cut cut, std::size_t place) {
    EdgeWorld world(kind);
    Recorder recorder;
    HttpServer server(*world.reactor, recorder, one.limits);
    recorder.server = &server;
    const Address address =
        *server.listen(*Address::parse("127.0.0.1:0"), ListenRole::kFirst, world.transforms());
    const int client = world.connect(address);
    if (cut == Cut::kWhole) {
        world.write(client, one.input);
    } else if (cut == Cut::kInTwo) {
        world.write(client, std::string_view(one.input).substr(0, place));
        world.settle();
        world.write(client, std::string_view(one.input).substr(place));
    } else {
        for (const char c : one.input) {
            world.write(client, std::string_view(&c, 1));
            world.reactor->poll(0);
            world.reactor->poll(0);
        }
    }
    world.settle();
    std::vector<std::string> outcome = recorder.seen;
    for (std::string& status : statuses_of(world.received(client), recorder.seen))
        outcome.push_back(std::move(status));
    outcome.push_back(world.ended(client) ? "closed" : "open");
    return outcome;
}

// In the file requests and statuses are mixed as it reads best; the comparison takes the requests
// first.
std::vector<std::string> expected(const Case& one) {
    std::vector<std::string> out;
    for (const char* kind : {"request", "status", "closed", "open"}) {
        for (const std::string& line : one.outcome) {
            if (line.rfind(kind, 0) == 0) out.push_back(unescape(line));
        }
    }
    return out;
}

TEST(HttpCases, ComeToTheSameWhole) {
    const std::vector<Case> cases = read_cases();
    EXPECT_GT(cases.size(), 100u);
    for (const Case& one : cases) {
        for (const World kind :
             {World::kMemory, World::kEpoll, World::kIoUring, World::kTransformed, World::kTls}) {
            // Under qemu-user there is none (tools/lib/package_arm64.sh).
            if (kind == World::kIoUring && std::getenv("MILLRACE_WITHOUT_IO_URING") != nullptr)
                continue;
            EXPECT_EQ(run(one, kind, Cut::kWhole, 0), expected(one))
                << one.file << ": " << one.name << " on " << static_cast<int>(kind);
        }
    }
}

TEST(HttpCases, ComeToTheSameCutAtEveryByte) {
    for (const Case& one : read_cases()) {
        // Long inputs are cut around the places where limits bite, at their ends and here and
        // there.
        const std::size_t step = one.input.size() > 2000 ? one.input.size() / 40 + 1 : 1;
        for (std::size_t place = 1; place < one.input.size(); place += step) {
            for (const World kind : {World::kMemory, World::kTransformed, World::kTls}) {
                // Records arrive cut anyhow: here and there is enough.
                if (kind != World::kMemory && place % 4 != 1) continue;
                ASSERT_EQ(run(one, kind, Cut::kInTwo, place), expected(one))
                    << one.file << ": " << one.name << " cut at " << place << " on "
                    << static_cast<int>(kind);
            }
        }
    }
}

TEST(HttpCases, ComeToTheSameByteByByte) {
    for (const Case& one : read_cases()) {
        for (const World kind : {World::kMemory, World::kTransformed, World::kTls}) {
            EXPECT_EQ(run(one, kind, Cut::kEveryByte, 0), expected(one))
                << one.file << ": " << one.name << " on " << static_cast<int>(kind);
        }
    }
}

}  // namespace
}  // namespace millrace::io
