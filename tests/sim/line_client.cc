#include "tests/sim/line_client.h"

#include "tests/sim/disk.h"

#include <charconv>
#include <utility>

namespace millrace::sim {

namespace {

// The number behind a name in an answer; 0: there is none.
std::uint64_t number_behind(std::string_view line, std::string_view name) {
    std::uint64_t number = 0;
    const std::size_t at = line.find(name);
    if (at != std::string_view::npos)
        std::from_chars(line.data() + at + name.size(), line.data() + line.size(), number);
    return number;
}

}  // namespace

void LineClient::connect() {
    socket_ = world_.network().connect(world_.lines());
    lines_.clear();
    acknowledged_ = 0;
    unsent_.clear();
    received_.clear();
    // No line of its own: the count begins behind it. Without one it is the first tenant.
    if (tenant_ != 0 || random_.below(2) == 0)
        unsent_ = "{\"hello\":{\"acks\":\"batch\",\"apiKey\":\"" + tenant_word(tenant_) + "\"}}\n";
}

void LineClient::ended() {
    for (std::size_t i = acknowledged_; i < lines_.size(); ++i) {
        if (lines_[i].rejected) continue;  // known to come again already
        if (!model_.events()[lines_[i].event].id.empty()) unknown_.push_back(lines_[i].event);
    }
    lines_.clear();
    acknowledged_ = 0;
    socket_ = -1;
}

void LineClient::server_gone(bool forget) {
    ended();
    if (forget) unknown_.clear();
}

void LineClient::send(const Wishes& wishes) {
    std::vector<std::size_t> events = std::exchange(unknown_, {});
    if (events.empty() && wishes.begin) {
        for (std::uint64_t left = 1 + random_.below(20); left > 0; --left) {
            model_.make(random_, key_, wishes.mix);
            events.push_back(model_.events().size() - 1);
        }
    }
    if (!events.empty() && socket_ < 0) connect();
    for (const std::size_t index : events) {
        SentEvent& event = model_.events()[index];
        ++event.sendings;
        lines_.push_back({index});
        unsent_ += event.text;
        unsent_ += '\n';
    }
}

std::string LineClient::turn(const Wishes& wishes) {
    if (Disk::instance().frozen()) return "";  // what is promised now is no promise
    if (socket_ >= 0 && wishes.reset) {
        world_.network().reset(socket_);
        ended();
        return "";
    }
    if (lines_.size() - acknowledged_ < kLinesUnderWayMax) send(wishes);
    if (socket_ < 0) return "";
    if (!unsent_.empty()) {
        const std::size_t bytes = 1 + static_cast<std::size_t>(random_.below(unsent_.size()));
        world_.network().write(socket_, std::string_view(unsent_).substr(0, bytes));
        unsent_.erase(0, bytes);
    }
    received_ += world_.network().read(socket_);
    if (std::string wrong = read_answers(); !wrong.empty()) return wrong;
    if (world_.network().ended(socket_)) ended();
    return "";
}

std::string LineClient::read_answers() {
    for (;;) {
        const std::size_t end = received_.find('\n');
        if (end == std::string::npos) return "";
        const std::string line = received_.substr(0, end);
        received_.erase(0, end + 1);
        if (std::string wrong = read_answer(line); !wrong.empty()) return wrong;
    }
}

std::string LineClient::read_answer(std::string_view line) {
    const std::string said = "the socket says " + std::string(line.substr(0, 300));
    if (line.starts_with("{\"reject\":")) {
        const std::uint64_t number = number_behind(line, "\"line\":");
        if (number == 0 || number > lines_.size() || number <= acknowledged_)
            return said + ", lines sent: " + std::to_string(lines_.size());
        // No space, going down, the identity index catches up: the line may come again.
        if (line.find("VALIDATION") != std::string_view::npos) return said;
        Line& rejected = lines_[number - 1];
        rejected.rejected = true;
        if (!model_.events()[rejected.event].id.empty()) unknown_.push_back(rejected.event);
        return "";
    }
    // The time stood still, and nothing came all that while: the connection ends.
    if (line.find("REQUEST_TIMEOUT") != std::string_view::npos) return "";
    if (!line.starts_with("{\"ack\":")) return said;
    const std::uint64_t count = number_behind(line, "\"ack\":");
    if (count < acknowledged_ || count > lines_.size())
        return said + ", lines sent: " + std::to_string(lines_.size());
    for (; acknowledged_ < count; ++acknowledged_) {
        const Line& acknowledged = lines_[acknowledged_];
        if (!acknowledged.rejected) model_.acknowledge_line(model_.events()[acknowledged.event]);
    }
    return "";
}

}  // namespace millrace::sim
