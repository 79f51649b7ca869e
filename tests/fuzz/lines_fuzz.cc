// Goal: whatever a client of the line protocol sends, in whatever pieces: no crash, and lines are
// counted and handed over as a plain splitter would. Bytes 0 and 1 seed the cuts.
#include "core/clock.h"
#include "io/line_server.h"
#include "io/memory_network.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace millrace;

constexpr std::size_t kLineBytesMax = 64;

class Collector final : public io::LineHandler {
public:
    io::LineServer* server = nullptr;
    bool hello = false;
    bool accepted = false;
    std::string seen;  // "number:line" of each
    core::Status on_hello(io::LineToken, const io::LineHello& its, const io::Peer&) override {
        hello = its.sent;
        accepted = true;
        return {};
    }
    void on_lines(io::LineBatch&& batch) override {
        std::string_view rest = batch.lines.view();
        std::uint64_t number = batch.first_line;
        while (!rest.empty()) {
            const std::size_t end = rest.find('\n');
            seen += std::to_string(number++) + ":";
            seen += rest.substr(0, end);
            seen += '\n';
            rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        }
        if (number != batch.first_line + batch.line_count) std::abort();
        server->ack(batch.connection, number - 1, "memory");
    }
};

struct Run {
    std::string seen;
    bool hello = false, accepted = false, ended = false;
};

Run run(std::string_view input, std::uint64_t seed) {
    core::ManualClock clock;
    io::MemoryNetwork network(seed);
    network.faults.random_sizes = seed != 0;
    io::ReactorOptions options;
    options.receive_buffers = 8;
    options.receive_buffer_bytes = 512;
    options.completions_per_poll = 16;
    auto reactor = io::Reactor::create_on(network.make_backend(options), options, clock);
    Collector collector;
    io::LineLimits limits;
    limits.line_bytes_max = kLineBytesMax;
    io::LineServer server(*reactor, collector, limits);
    collector.server = &server;
    const auto address = *server.listen(*io::Address::parse("127.0.0.1:0"), io::ListenRole::kFirst);
    const int client = network.connect(address);
    core::Random random(seed);
    while (!input.empty()) {
        const std::size_t part = seed == 0 ? input.size() : 1 + random.below(100);
        network.write(client, input.substr(0, part));
        input.remove_prefix(std::min(part, input.size()));
        reactor->poll(0);
    }
    network.finish(client);
    for (int quiet = 0; quiet < 3;) quiet = reactor->poll(0) == 0 ? quiet + 1 : 0;
    return Run{std::move(collector.seen), collector.hello, collector.accepted,
               network.ended(client)};
}

std::string plain_split(std::string_view text) {
    std::string out;
    for (std::uint64_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        const std::size_t cr = line.ends_with('\r') ? 1 : 0;
        if (line.size() - cr <= kLineBytesMax)
            out += std::to_string(number) + ":" + std::string(line) + "\n";
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    if (bytes < 2 || bytes > 16384) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 2, bytes - 2);
    const Run whole = run(input, 0);
    const Run cut = run(input, data[0] * 256u + data[1] + 1);
    bool same = whole.seen == cut.seen && whole.hello == cut.hello &&
                whole.accepted == cut.accepted && whole.ended && cut.ended;
    if (whole.accepted && !whole.hello) same = same && whole.seen == plain_split(input);
    if (same) return 0;
    std::fprintf(stderr, "differ:\n%s\n--\n%s\n--\n%s\n", whole.seen.c_str(), cut.seen.c_str(),
                 plain_split(input).c_str());
    std::abort();
}
