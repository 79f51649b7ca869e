#include "runtime/executors/database_client.h"

#include "core/assert.h"
#include "core/json_reader.h"
#include "core/json_validate.h"
#include "core/json_writer.h"
#include "runtime/courier/kept_claim.h"
#include "runtime/executors/conninfo.h"
#include "runtime/executors/socket_relay.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include <libpq-fe.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace millrace::runtime {

// One connection, and the query that it works at.
struct DatabaseClient::Connection {
    ~Connection() {
        if (raw) PQfinish(raw);
    }

    enum class State : std::uint8_t { kConnecting, kBusy, kIdle, kOver };
    PGconn* raw = nullptr;
    State state = State::kConnecting;
    PostgresPollingStatusType polling = PGRES_POLLING_WRITING;
    bool flushes = false;  // not all of the query is sent
    std::string pool;
    std::int64_t idle_since_ns = 0;
    std::optional<Query> query;

    // Of the answer so far.
    std::string rows;
    std::size_t row_count = 0;
    std::shared_ptr<core::ByteClaim> claim;  // of what all answers may take
    std::string code, message;

    SocketRelay relay;  // once it is connected

    void begin(Query&& next, const std::shared_ptr<core::ByteShare>& answers) {
        query = std::move(next);
        claim = courier::claim_of(answers);
        rows.clear();
        row_count = 0;
        code.clear();
        message.clear();
    }
    void fail(std::string_view with, std::string_view why) {
        if (!code.empty()) return;
        code = with;
        message = why;
    }
};

namespace {

constexpr std::string_view kTooLarge = "the answer has more than 10000 rows or 1048576 bytes";
constexpr std::size_t kPortionBytes = 64u << 10;

void append_value(std::string& out, const PGresult* result, int column) {
    constexpr Oid kBool = 16, kInt8 = 20, kInt2 = 21, kInt4 = 23, kOid = 26, kJson = 114,
                  kFloat4 = 700, kFloat8 = 701, kNumeric = 1700, kJsonb = 3802;
    if (PQgetisnull(result, 0, column)) {
        out += "null";
        return;
    }
    const std::string_view text(PQgetvalue(result, 0, column),
                                static_cast<std::size_t>(PQgetlength(result, 0, column)));
    switch (PQftype(result, column)) {
        case kBool: out += text == "t" ? "true" : "false"; return;
        case kInt2:
        case kInt4:
        case kInt8:
        case kOid:
        case kFloat4:
        case kFloat8:
        case kNumeric:
        case kJson:
        case kJsonb:  // NaN and Infinity are no JSON
            if (core::json_validate(text)) {
                out += text;
                return;
            }
            break;
        default: break;
    }
    core::append_json_string(out, text);
}

void append_row(std::string& out, const PGresult* result) {
    out += '{';
    const int columns = PQnfields(result);
    for (int column = 0; column < columns; ++column) {
        if (column != 0) out += ',';
        core::append_json_string(out, PQfname(result, column));
        out += ':';
        append_value(out, result, column);
    }
    out += '}';
}

}  // namespace

core::Result<std::vector<std::optional<std::string>>> query_parameters(std::string_view json) {
    std::vector<std::optional<std::string>> out;
    core::JsonDocument document;
    auto root = document.parse(json, "params");
    if (!root) return core::fail(std::move(root.error()));
    core::JsonArray list;
    core::JsonMembers members;
    if (root->get(members) && members.size() == 0) return out;  // an empty table
    if (!root->get(list))
        return core::fail(core::ErrorCode::kValidation, "params must be a list of values");
    constexpr std::size_t kParametersMax = 1'000;
    if (list.size() > kParametersMax)
        return core::fail(core::ErrorCode::kValidation, "params holds more than 1000 values");
    for (const core::JsonElement item : list) {
        std::string_view text;
        std::string value;
        if (item.is_null()) {
            out.emplace_back(std::nullopt);
            continue;
        }
        if (item.get(text))
            value = text;
        else
            core::append_json(value, item);
        if (value.find('\0') != std::string::npos)
            return core::fail(core::ErrorCode::kValidation, "params holds a zero byte");
        out.emplace_back(std::move(value));
    }
    return out;
}

DatabaseClient::DatabaseClient(Deps deps)
    : deps_(std::move(deps)), wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    MR_ASSERT(wake_fd_ >= 0);
}

DatabaseClient::~DatabaseClient() { ::close(wake_fd_); }

bool DatabaseClient::ask(OutsideReceiver& receiver, std::uint64_t ticket, OutsideAsk&& ask) {
    if (!orders_.try_push({&receiver, ticket, std::move(ask), false})) return false;
    wake();
    return true;
}

void DatabaseClient::cancel(OutsideReceiver& receiver, std::uint64_t ticket) {
    orders_.push_beyond({&receiver, ticket, {}, true});  // bounded by the asks themselves
    wake();
}

void DatabaseClient::wake() {
    const std::uint64_t one = 1;
    (void)!::write(wake_fd_, &one, sizeof one);
}

void DatabaseClient::wait(std::int64_t timeout_us) {
    if (!orders_.empty()) return;
    std::vector<pollfd> fds = {{wake_fd_, POLLIN, 0}};
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    for (const auto& one : connections_) {
        if (one->state == Connection::State::kConnecting) {
            const short events = one->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
            fds.push_back({PQsocket(one->raw), events, 0});
        } else {
            fds.push_back({one->relay.outside(), one->relay.outside_events(), 0});
            fds.push_back({one->relay.inside(), one->relay.inside_events(), 0});
        }
        if (one->query)
            timeout_us =
                std::clamp<std::int64_t>((one->query->deadline_ns - now_ns) / 1000, 0, timeout_us);
    }
    ::poll(fds.data(), fds.size(), static_cast<int>((timeout_us + 999) / 1000));
    std::uint64_t count = 0;
    (void)!::read(wake_fd_, &count, sizeof count);
}

void DatabaseClient::answer(const Query& query, std::string_view code, std::string_view message,
                            std::string json, std::shared_ptr<void> held) {
    OutsideAnswer out;
    out.code = code;
    out.message = message;
    out.json = std::move(json);
    out.held = std::move(held);
    query.receiver->answered(query.ticket, std::move(out));
}

// ---- what is asked

void DatabaseClient::cancel_now(const OutsideReceiver* receiver, std::uint64_t ticket) {
    std::erase_if(waiting_, [&](const Query& query) {
        return query.receiver == receiver && query.ticket == ticket;
    });
    for (const auto& one : connections_) {
        if (!one->query || one->query->receiver != receiver || one->query->ticket != ticket)
            continue;
        one->query.reset();  // the server stops when it finds nobody there
        one->state = Connection::State::kOver;
    }
}

void DatabaseClient::take(Order&& order) {
    Query query;
    query.receiver = order.receiver;
    query.ticket = order.ticket;
    query.ask = std::move(order.ask);
    const std::int64_t ms = std::clamp<std::int64_t>(query.ask.timeout_ms, 1, kQueryMsMax);
    query.deadline_ns = deps_.clock->monotonic_ns() + ms * 1'000'000;
    const RegistrySnapshotRef registry = deps_.registry();
    const SecretRef secret = secrets_.find(*registry, query.ask.tenant, "db." + query.ask.name);
    if (!secret)
        return answer(query, "NOT_FOUND",
                      "no secret has the name \"db." + query.ask.name +
                          "\": it holds the connection's conninfo");
    query.conninfo = secret->value;
    query.pool =
        std::to_string(query.ask.tenant.value) + "/" + query.ask.name + "/" + secret->value;
    waiting_.push_back(std::move(query));
}

std::size_t DatabaseClient::take_orders() {
    std::size_t done = 0;
    Order order;
    while (waiting_.size() < kAsksWaitingMax && orders_.try_pop(order)) {
        ++done;
        if (order.cancels)
            cancel_now(order.receiver, order.ticket);
        else
            take(std::move(order));
    }
    return done;
}

// Each takes a connection that is idle, or makes one; where a database has all it may, they wait.
std::size_t DatabaseClient::begin_waiting() {
    std::size_t done = 0;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    for (std::size_t left = waiting_.size(); left > 0; --left) {
        Query query = std::move(waiting_.front());
        waiting_.pop_front();
        const auto idle =
            std::find_if(connections_.begin(), connections_.end(), [&](const auto& one) {
                return one->state == Connection::State::kIdle && one->pool == query.pool;
            });
        if (now_ns >= query.deadline_ns) {
            answer(query, "TIMEOUT", "no connection was free in time");
            ++done;
        } else if (idle != connections_.end()) {
            (*idle)->begin(std::move(query), deps_.answers);
            send(**idle);
            ++done;
        } else if (pools_[query.pool] < kConnectionsMax) {
            connect(std::move(query));
            ++done;
        } else {
            waiting_.push_back(std::move(query));
        }
    }
    return done;
}

void DatabaseClient::connect(Query&& query) {
    auto options = read_conninfo(query.conninfo);
    if (!options) return answer(query, "INVALID", options.error().message);
    if (auto judged = judge_host(deps_.rules, *options); !judged) {
        const bool blocked = judged.error().code == core::ErrorCode::kForbidden;
        return answer(query, blocked ? "BLOCKED" : "DNS", judged.error().message);
    }
    auto one = std::make_unique<Connection>();
    one->raw = begin_connection(*options, kConnectMsMax,
                                "-c statement_timeout=" + std::to_string(kQueryMsMax));
    if (!one->raw || PQstatus(one->raw) == CONNECTION_BAD)
        return answer(query, "CONNECT", one->raw ? libpq_line(PQerrorMessage(one->raw)) : "");
    one->pool = query.pool;
    one->begin(std::move(query), deps_.answers);
    ++pools_[one->pool];
    connections_.push_back(std::move(one));
}

// ---- connections

void DatabaseClient::send(Connection& one) {
    auto parameters = query_parameters(one.query->ask.input_json);
    if (!parameters) {
        answer(*one.query, "INVALID", parameters.error().message);
        one.query.reset();
        one.state = Connection::State::kIdle;
        one.idle_since_ns = deps_.clock->monotonic_ns();
        return;
    }
    std::vector<const char*> values;
    for (const auto& value : *parameters) values.push_back(value ? value->c_str() : nullptr);
    one.state = Connection::State::kBusy;
    one.relay.count_from_here();
    if (PQsendQueryParams(one.raw, one.query->ask.text.c_str(), static_cast<int>(values.size()),
                          nullptr, values.data(), nullptr, nullptr, 0) != 1 ||
        PQsetSingleRowMode(one.raw) != 1) {
        one.fail("CONNECT", libpq_line(PQerrorMessage(one.raw)));
        one.state = Connection::State::kOver;
        return;
    }
    one.flushes = PQflush(one.raw) == 1;
}

// What comes next, as much as there is room for. False: nothing.
bool DatabaseClient::take_in(Connection& one) {
    // The rows that are read, and what libpq has of the next one.
    const std::size_t kept = one.rows.size() + one.relay.came_in() + kPortionBytes;
    if (kept > one.claim->bytes() && !one.claim->grow(kept - one.claim->bytes())) {
        one.fail("CONNECT", "answers that are coming in take all that they may have; try again");
        one.state = Connection::State::kOver;
        return true;
    }
    const bool moved = one.relay.pass(kPortionBytes);
    if (one.relay.came_in() > kCameBytesMax) {
        one.fail("TOO_LARGE", kTooLarge);
        one.state = Connection::State::kOver;
    }
    return moved;
}

// False: there is nothing to read yet.
bool DatabaseClient::read_results(Connection& one) {
    if (PQconsumeInput(one.raw) != 1) {
        one.fail("CONNECT", libpq_line(PQerrorMessage(one.raw)));
        one.state = Connection::State::kOver;
        return true;
    }
    while (PQisBusy(one.raw) == 0) {
        PGresult* const result = PQgetResult(one.raw);
        if (!result) {
            // Whoever came by this connection next would be in the midst of it, and what they wrote
            // would go with it.
            if (PQtransactionStatus(one.raw) != PQTRANS_IDLE) {
                one.fail("INVALID", "a transaction can't be left open: write one statement");
                one.state = Connection::State::kOver;
                return true;
            }
            std::string json = one.code.empty() ? "[" + one.rows + "]" : "";
            one.rows = {};
            if (one.claim->bytes() > json.size())
                one.claim->shrink(one.claim->bytes() - json.size());
            answer(*one.query, one.code, one.message, std::move(json), std::move(one.claim));
            one.query.reset();
            one.state = Connection::State::kIdle;
            one.idle_since_ns = deps_.clock->monotonic_ns();
            return true;
        }
        switch (PQresultStatus(result)) {
            case PGRES_SINGLE_TUPLE:
                if (one.row_count++ != 0) one.rows += ',';
                append_row(one.rows, result);
                break;
            case PGRES_TUPLES_OK:
            case PGRES_COMMAND_OK:
            case PGRES_EMPTY_QUERY: break;
            case PGRES_COPY_IN:
            case PGRES_COPY_OUT:
            case PGRES_COPY_BOTH:
                one.fail("INVALID", "COPY is not taken here");
                one.state = Connection::State::kOver;
                break;
            default: {
                const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
                const char* what = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
                one.fail(state ? state : "CONNECT",
                         what ? std::string(what) : libpq_line(PQresultErrorMessage(result)));
            }
        }
        PQclear(result);
        if (one.row_count > kRowsMax || one.rows.size() > kAnswerBytesMax) {
            one.fail("TOO_LARGE", kTooLarge);
            one.state = Connection::State::kOver;
        }
        if (one.state == Connection::State::kOver) return true;
    }
    return false;
}

// True: something happened.
bool DatabaseClient::drive(Connection& one) {
    using State = Connection::State;
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    if (one.query && now_ns >= one.query->deadline_ns) {
        one.fail("TIMEOUT", "no answer in time");
        one.state = State::kOver;
        return true;
    }
    switch (one.state) {
        case State::kConnecting: {
            pollfd fd{PQsocket(one.raw),
                      static_cast<short>(one.polling == PGRES_POLLING_READING ? POLLIN : POLLOUT),
                      0};
            if (::poll(&fd, 1, 0) == 0) return false;
            one.polling = PQconnectPoll(one.raw);
            if (one.polling == PGRES_POLLING_FAILED) {
                one.fail("CONNECT", libpq_line(PQerrorMessage(one.raw)));
                one.state = State::kOver;
            } else if (one.polling == PGRES_POLLING_OK) {
                PQsetnonblocking(one.raw, 1);
                if (auto began = one.relay.begin(PQsocket(one.raw)); !began) {
                    one.fail("CONNECT", began.error().message);
                    one.state = State::kOver;
                    return true;
                }
                send(one);
            }
            return true;
        }
        case State::kBusy:
            if (one.flushes) one.flushes = PQflush(one.raw) == 1;
            if (!take_in(one)) return read_results(one);
            if (one.state == State::kBusy) read_results(one);
            return true;
        case State::kIdle:
            one.relay.pass(kPortionBytes);
            // What comes unasked, or the end of it.
            if (PQconsumeInput(one.raw) != 1 || PQstatus(one.raw) != CONNECTION_OK ||
                now_ns - one.idle_since_ns > kIdleNs)
                one.state = State::kOver;
            return false;
        case State::kOver: break;
    }
    return false;
}

std::size_t DatabaseClient::do_work() {
    std::size_t done = take_orders();
    for (const auto& one : connections_) done += drive(*one);
    for (auto at = connections_.begin(); at != connections_.end();) {
        Connection& one = **at;
        if (one.state != Connection::State::kOver) {
            ++at;
            continue;
        }
        if (one.query) answer(*one.query, one.code, one.message);
        const auto pool = pools_.find(one.pool);
        if (--pool->second == 0) pools_.erase(pool);
        at = connections_.erase(at);
        ++done;
    }
    done += begin_waiting();
    return done;
}

}  // namespace millrace::runtime
