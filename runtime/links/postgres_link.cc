#include "runtime/links/postgres_link.h"

#include "runtime/executors/conninfo.h"

#include <array>
#include <utility>

#include <libpq-fe.h>
#include <sys/mman.h>
#include <unistd.h>

namespace millrace::runtime {

// ---- the connection

namespace {

constexpr std::size_t kNotificationBytesMax = 7'999;  // as PostgreSQL has it

// The texts of those who are trusted, as a file for libpq.
OwnedFd trusted_file(const std::string& texts) {
    OwnedFd file(::memfd_create("trusted", MFD_CLOEXEC));
    if (file &&
        ::write(file.get(), texts.data(), texts.size()) != static_cast<ssize_t>(texts.size()))
        file = OwnedFd();
    return file;
}

}  // namespace

PostgresConnection::PostgresConnection(const PeerDeps& deps, const LinkConfig& config)
    : clock_(*deps.clock),
      polling_(PGRES_POLLING_WRITING),
      give_up_ns_(deps.clock->monotonic_ns() + kConnectMs * 1'000'000) {
    auto options = read_conninfo(config.conninfo);
    if (!options) {
        error_ = options.error().message;
        return;
    }
    if (auto judged = judge_host(*deps.rules, *options); !judged) {
        error_ = "connect to " + options->at("host") + " failed: " + judged.error().message;
        return;
    }
    if (!config.ca.empty()) {
        trusted_ = trusted_file(config.ca);
        if (!trusted_) {
            fail("no file in memory for whom TLS trusts");
            return;
        }
        (*options)["sslmode"] = "verify-full";
        (*options)["sslrootcert"] = "/proc/self/fd/" + std::to_string(trusted_.get());
    }
    raw_ = begin_connection(*options, kConnectMs, "");
    if (!raw_ || PQstatus(raw_) == CONNECTION_BAD) fail(raw_ ? PQerrorMessage(raw_) : "no memory");
}

PostgresConnection::~PostgresConnection() {
    if (raw_) PQfinish(raw_);
}

void PostgresConnection::fail(const std::string& why) {
    if (error_.empty()) error_ = libpq_line(why);
}

void PostgresConnection::waits_for(pollfd& fd) const {
    if (!raw_) {
        fd = {-1, 0, 0};
        return;
    }
    const bool writes = open_ ? PQflush(raw_) == 1 : polling_ == PGRES_POLLING_WRITING;
    fd = {PQsocket(raw_), static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), 0};
    if (!open_ && polling_ == PGRES_POLLING_WRITING) fd.events = POLLOUT;
}

void PostgresConnection::connect_on() {
    pollfd fd{};
    waits_for(fd);
    if (::poll(&fd, 1, 0) == 0) {
        if (clock_.monotonic_ns() > give_up_ns_) fail("no connection in 5 s");
        return;
    }
    polling_ = PQconnectPoll(raw_);
    if (polling_ == PGRES_POLLING_FAILED) fail(PQerrorMessage(raw_));
    if (polling_ != PGRES_POLLING_OK) return;
    PQsetnonblocking(raw_, 1);
    open_ = true;
}

void PostgresConnection::turn() {
    if (!error_.empty() || !raw_) return;
    if (!open_) connect_on();
    if (!open_ || !error_.empty()) return;
    if (PQflush(raw_) < 0 || PQconsumeInput(raw_) != 1 || PQstatus(raw_) != CONNECTION_OK)
        return fail(PQerrorMessage(raw_));
    if (!asks_) return;
    read_results();
    if (asks_ && clock_.monotonic_ns() > give_up_ns_) fail("no answer in 10 s");
}

void PostgresConnection::read_results() {
    while (PQisBusy(raw_) == 0) {
        PGresult* const result = PQgetResult(raw_);
        if (!result) {
            asks_ = false;
            has_answer_ = true;
            return;
        }
        const ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
            status != PGRES_EMPTY_QUERY && refused_.empty())
            refused_ = "the server refuses: " + libpq_line(PQresultErrorMessage(result));
        PQclear(result);
    }
}

void PostgresConnection::asked(bool sent) {
    if (!sent) return fail(PQerrorMessage(raw_));
    asks_ = true;
    has_answer_ = false;
    refused_.clear();
    give_up_ns_ = clock_.monotonic_ns() + kAnswerNs;
}

void PostgresConnection::listen(const std::string& channel) {
    char* const name = PQescapeIdentifier(raw_, channel.c_str(), channel.size());
    if (!name) return fail(PQerrorMessage(raw_));
    asked(PQsendQuery(raw_, ("LISTEN " + std::string(name)).c_str()) == 1);
    PQfreemem(name);
}

void PostgresConnection::notify(const std::string& channel, const std::string& text) {
    const std::array<const char*, 2> values = {channel.c_str(), text.c_str()};
    asked(PQsendQueryParams(raw_, "SELECT pg_notify($1, $2)", 2, nullptr, values.data(), nullptr,
                            nullptr, 0) == 1);
}

void PostgresConnection::ping() { asked(PQsendQuery(raw_, "") == 1); }

bool PostgresConnection::answered(std::string& refused) {
    if (!std::exchange(has_answer_, false)) return false;
    refused = std::exchange(refused_, {});
    return true;
}

bool PostgresConnection::next(std::string& text) {
    PGnotify* const notify = open() ? PQnotifies(raw_) : nullptr;
    if (!notify) return false;
    text = notify->extra;
    PQfreemem(notify);
    return true;
}

// ---- the source

PostgresSource::PostgresSource(const PeerDeps& deps, const LinkConfig& config,
                               std::string_view position)
    : clock_(*deps.clock),
      channel_(config.channel),
      connection_(deps, config),
      heard_(*deps.clock, position) {}

std::size_t PostgresSource::turn(SourceBatch& batch) {
    if (trouble()) return 0;
    std::size_t done = 0;
    connection_.turn();
    std::string refused;
    if (connection_.answered(refused)) {
        ++done;
        answered_ns_ = clock_.monotonic_ns();
        if (!refused.empty()) {
            fail(refused);
        } else if (!heard_.listens()) {
            heard_.begin();
            heard_.confirmed(batch);
        }
    }
    std::string text;
    while (heard_.listens() && !batch.full() && connection_.next(text)) {
        batch.add(heard_.next_id(), text, text.size(), clock_.wall_us());
        batch.position = heard_.position();
        ++done;
    }
    if (connection_.open() && !connection_.asks() && !trouble()) {
        if (!heard_.listens())
            connection_.listen(channel_);
        else if (clock_.monotonic_ns() - answered_ns_ > kPingNs)
            connection_.ping();
        connection_.turn();
    }
    if (!connection_.error().empty()) fail(connection_.error());
    return done;
}

// ---- the sink

PostgresSink::PostgresSink(const PeerDeps& deps, const LinkConfig& config)
    : channel_(config.channel), connection_(deps, config) {}

std::size_t PostgresSink::turn(std::vector<SinkAnswer>& answers) {
    if (trouble()) return 0;
    std::size_t done = 0;
    connection_.turn();
    std::string refused;
    if (connection_.answered(refused)) {
        answers.push_back({texts_.front().ticket, std::move(refused)});
        texts_.pop_front();
        ++done;
    }
    const bool idle = connection_.open() && !connection_.asks();
    while (idle && !texts_.empty() && texts_.front().text.size() > kNotificationBytesMax) {
        std::string why = "has " + std::to_string(texts_.front().text.size()) +
                          " bytes; a notification has " + std::to_string(kNotificationBytesMax) +
                          " at most";
        answers.push_back(never_goes(std::move(texts_.front()), std::move(why)));
        texts_.pop_front();
        ++done;
    }
    if (idle && !texts_.empty()) {
        connection_.notify(channel_, texts_.front().text);
        connection_.turn();
        ++done;
    }
    if (!connection_.error().empty()) fail(connection_.error());
    return done;
}

}  // namespace millrace::runtime
