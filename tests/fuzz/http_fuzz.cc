// Goal: whatever bytes a client sends, in whatever pieces: no crash, no sanitizer finding, and the
// same requests reach the handler as when the bytes come in one piece. Bytes 0 and 1 seed the cuts.
#include "core/clock.h"
#include "io/http_server.h"
#include "io/memory_network.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace millrace;

class Recorder final : public io::HttpHandler {
public:
    io::HttpServer* server = nullptr;
    std::string seen;
    void on_request(io::Request& request) override {
        seen += io::method_text(request.method);
        seen += ' ';
        seen += request.target;
        seen += ' ';
        seen += request.body_view();
        for (const io::HeaderField& header : request.headers) {
            seen += '|';
            seen += header.name;
            seen += ':';
            seen += header.value;
        }
        seen += '\n';
        server->respond(request.token, io::ResponseHead{}, "ok");
    }
};

struct Run {
    std::string seen;
    bool refused = false;
    bool ended = false;
};

Run run(std::string_view input, std::uint64_t seed) {
    core::ManualClock clock;
    io::MemoryNetwork network(seed);
    io::ReactorOptions options;
    options.receive_buffers = 8;
    options.receive_buffer_bytes = 512;
    options.completions_per_poll = 16;
    auto reactor = io::Reactor::create_on(network.make_backend(options), options, clock);
    Recorder recorder;
    io::HttpLimits limits;
    limits.request_line_bytes_max = 200;
    limits.header_bytes_max = 400;
    limits.header_count_max = 8;
    limits.body_bytes_max = 2000;
    limits.chunk_overhead_bytes_max = 100;
    io::HttpServer server(*reactor, recorder, limits);
    recorder.server = &server;
    const auto address = *server.listen(*io::Address::parse("127.0.0.1:0"), io::ListenRole::kFirst);
    const int client = network.connect(address);
    core::Random random(seed);
    while (!input.empty()) {
        const std::size_t part =
            seed == 0 ? input.size() : 1 + random.below(random.below(2) == 0 ? 4 : 300);
        network.write(client, input.substr(0, part));
        input.remove_prefix(std::min(part, input.size()));
        reactor->poll(0);
        reactor->poll(0);
    }
    network.finish(client);
    for (int quiet = 0; quiet < 3;) quiet = reactor->poll(0) == 0 ? quiet + 1 : 0;
    const std::string out = network.read(client);
    return Run{
        std::move(recorder.seen),
        out.find("HTTP/1.1 4") != std::string::npos || out.find("HTTP/1.1 5") != std::string::npos,
        network.ended(client)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    if (bytes < 2 || bytes > 8192) return 0;
    const std::uint64_t seed = data[0] * 256u + data[1] + 1;
    const std::string_view input(reinterpret_cast<const char*>(data) + 2, bytes - 2);
    const Run whole = run(input, 0);
    const Run cut = run(input, seed);
    if (whole.seen == cut.seen && whole.refused == cut.refused && whole.ended && cut.ended)
        return 0;
    std::fprintf(stderr, "whole and cut differ:\n%s\n--\n%s\nrefused %d %d ended %d %d\n",
                 whole.seen.c_str(), cut.seen.c_str(), whole.refused, cut.refused, whole.ended,
                 cut.ended);
    std::abort();
}
