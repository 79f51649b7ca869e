// What: the agent of sdk.db: queries of PostgreSQL by libpq, without blocking. A connection's name
//       is a secret's: `db.NAME` holds its conninfo ("host=... dbname=... user=... password=...").
//       Queries go with their parameters beside them, never inside the text, one statement each.
//       The address that is judged by the rules about calls to the outside (http_client.allow) is
//       the one that is connected to; of a conninfo only what names a server, a database and a user
//       is taken.
// Threads: ask() and cancel() any; the rest its own. Looking up a host's name holds up the others.
// Lifetime: receivers outlive its thread.
//         A query is a transaction of its own: one that leaves one open has failed, and is undone.
// Limits: kAsksWaitingMax that have not been taken (overflow policy: refuse), kConnectionsMax to
//         one database of a tenant (more wait), kIdleNs; of an answer kRowsMax rows and
//         kAnswerBytesMax, kCameBytesMax on its way, which libpq keeps as long as a row is not
//         whole: it is given no more (socket_relay.h). All answers together have a share.
// Failure: an answer with a code: an SQLSTATE of five characters, or NOT_FOUND (no such secret),
//          INVALID, BLOCKED, DNS, CONNECT (without room for the answer, too), TIMEOUT, TOO_LARGE.
#pragma once

#include "core/agent.h"
#include "core/byte_share.h"
#include "core/clock.h"
#include "core/task_queue.h"
#include "runtime/courier/address_rules.h"
#include "runtime/delivery/outside_port.h"
#include "runtime/registry/registry_snapshot.h"
#include "runtime/registry/secret_names.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime {

// What a query is sent with: the elements of a JSON array as texts; none: null.
core::Result<std::vector<std::optional<std::string>>> query_parameters(std::string_view json);

class DatabaseClient final : public core::Agent, public OutsidePort {
public:
    static constexpr std::size_t kAsksWaitingMax = 1'024;
    static constexpr std::size_t kConnectionsMax = 8;
    static constexpr std::size_t kRowsMax = 10'000;
    static constexpr std::size_t kAnswerBytesMax = 1u << 20;
    static constexpr std::uint64_t kCameBytesMax = 4u << 20;
    static constexpr std::int64_t kIdleNs = 60'000'000'000;
    static constexpr std::int64_t kQueryMsMax = 60'000;
    static constexpr std::int64_t kConnectMsMax = 5'000;

    struct Deps {
        const core::Clock* clock = nullptr;
        courier::AddressRules rules;
        std::function<RegistrySnapshotRef()> registry;
        // What answers may take together, until whoever asked is done with them.
        std::shared_ptr<core::ByteShare> answers = std::make_shared<core::ByteShare>();
    };
    explicit DatabaseClient(Deps deps);
    ~DatabaseClient() override;

    bool ask(OutsideReceiver& receiver, std::uint64_t ticket, OutsideAsk&& ask) override;
    void cancel(OutsideReceiver& receiver, std::uint64_t ticket) override;

    std::string_view name() const override { return "database"; }
    std::size_t do_work() override;
    void wait(std::int64_t timeout_us) override;
    void wake() override;

private:
    struct Order {
        OutsideReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
        OutsideAsk ask;
        bool cancels = false;
    };
    struct Query {
        OutsideReceiver* receiver = nullptr;
        std::uint64_t ticket = 0;
        OutsideAsk ask;
        std::string pool;  // tenant, name and what the secret says
        std::string conninfo;
        std::int64_t deadline_ns = 0;
    };
    struct Connection;

    std::size_t take_orders();
    void take(Order&& order);
    void cancel_now(const OutsideReceiver* receiver, std::uint64_t ticket);
    std::size_t begin_waiting();
    void connect(Query&& query);
    bool drive(Connection& one);
    void send(Connection& one);
    bool take_in(Connection& one);
    bool read_results(Connection& one);
    static void answer(const Query& query, std::string_view code, std::string_view message,
                       std::string json = {}, std::shared_ptr<void> held = {});

    const Deps deps_;
    int wake_fd_ = -1;
    core::TaskQueue<Order> orders_{kAsksWaitingMax};
    SecretNames secrets_;
    std::deque<Query> waiting_;
    std::map<std::string, std::size_t> pools_;  // connections of each
    std::list<std::unique_ptr<Connection>> connections_;
};

// Queries go to the database, all else is an action.
class OutsideSwitch final : public OutsidePort {
public:
    OutsideSwitch(OutsidePort& actions, OutsidePort& database)
        : actions_(actions), database_(database) {}
    bool ask(OutsideReceiver& receiver, std::uint64_t ticket, OutsideAsk&& ask) override {
        OutsidePort& port = ask.text.empty() ? actions_ : database_;
        return port.ask(receiver, ticket, std::move(ask));
    }
    void cancel(OutsideReceiver& receiver, std::uint64_t ticket) override {
        actions_.cancel(receiver, ticket);
        database_.cancel(receiver, ticket);
    }

private:
    OutsidePort& actions_;
    OutsidePort& database_;
};

}  // namespace millrace::runtime
