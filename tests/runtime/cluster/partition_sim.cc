#include "tests/runtime/cluster/partition_sim.h"

#include <algorithm>
#include <utility>

namespace millrace::test {

using namespace runtime::cluster;

namespace {

constexpr std::int64_t kStepNs = 2'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kPlayNs = 60 * kSecond;
constexpr std::int64_t kCalmNs = 180 * kSecond;
constexpr std::int64_t kNodeTimeoutNs = 5 * kSecond;
constexpr std::int64_t kLookEveryNs = kSecond / 2;
constexpr std::size_t kSmallBytes = 32;

}  // namespace

// A folder, with the row that says how far it has come: what is behind `synced` goes with a crash.
class PartitionSim::Copy final : public PartitionCopy {
public:
    struct Entry {
        std::string batch;  // empty: an ownership
        store::ReplicaPosition at;
    };
    core::Status apply(std::string_view batch, const store::ReplicaPosition& at) override {
        entries.push_back({std::string(batch), at});
        row = at;
        return {};
    }
    core::Status note(const store::ReplicaPosition& at) override {
        if (at.unit != row.unit) entries.push_back({{}, at});
        row = at;
        return {};
    }
    core::Status sync() override {
        synced = entries.size();
        synced_row = row;
        return {};
    }
    void crash() {
        entries.resize(synced);
        row = synced_row;
    }
    store::ReplicaPosition at() const { return row; }
    std::vector<Entry> entries;
    std::size_t synced = 0;
    store::ReplicaPosition row, synced_row;
};

struct PartitionSim::Host {
    Copy copy;
    std::unique_ptr<PartitionMachine> machine;
    std::int64_t back_ns = 0;      // when it starts again; 0: it runs
    std::int64_t serves_ns = 0;    // from then on; 0: it does not
    std::int64_t heard_ns = 0;     // its last sign to the others
    PartitionStatus told{};        // what it said then
    std::string event;             // under way
    std::uint64_t served = 0;      // appends, since it owns
    std::unique_ptr<Copy> coming;  // a snapshot of another one's
    std::int64_t comes_ns = 0;     // it is here whole then
    std::int64_t stopped_ns = 0;   // until then it does nothing
};

PartitionSim::PartitionSim(std::uint64_t seed) : random_(seed), model_(seed * 31 + 7, kHosts) {
    for (auto& host : hosts_) host = std::make_unique<Host>();
    waits_for_copy_ = chance(3);
    append_one_in_ = 2 + random_.below(40);
    weather_kinds_ = random_.next();
    const auto some = [&](std::uint64_t most) { return chance(2) ? random_.below(most) : 0; };
    model_.weather = {some(60), some(60), some(40), some(200)};
    next_weather_ns_ = between(500, 3'000);
    if (chance(2)) model_.ring_bytes = 5'000 + random_.below(12'000);
    ring_wait_ns_ = between(200, 3'000);
    // Then nobody appends any more, and the ring fills with signs of life.
    if (model_.ring_bytes != 0 && chance(3)) idle_from_ns_ = between(5'000, 20'000);
    in_sync_.fill(true);
    for (std::size_t i = 0; i < kHosts; ++i) begin(i);
}
PartitionSim::~PartitionSim() = default;

void PartitionSim::fail(std::string what) {
    if (wrong_.empty()) wrong_ = std::to_string(now() / 1'000'000) + " ms: " + std::move(what);
}

void PartitionSim::begin(std::size_t i) {
    Host& host = *hosts_[i];
    PartitionMachine::Options options;
    options.partition = 7;
    options.node = std::string(1, static_cast<char>('a' + i));
    options.token = options.node + std::to_string(++tokens_);
    options.waits_for_copy = waits_for_copy_;
    options.ring_wait_ns = ring_wait_ns_;
    host.machine =
        std::make_unique<PartitionMachine>(options, model_.port(i), host.copy, host.copy.at());
    host.back_ns = host.serves_ns = 0;
    host.event.clear();
    model_.up(i);
}

void PartitionSim::crash(std::size_t i, std::int64_t for_ns) {
    Host& host = *hosts_[i];
    if (!host.machine) return;
    check_chains();
    model_.down(i);
    host.machine.reset();
    host.serves_ns = 0;
    host.event.clear();
    host.coming.reset();
    host.copy.crash();
    host.back_ns = now() + for_ns;
}

// ---- one moment

void PartitionSim::step() {
    model_.advance_to(now() + kStepNs);
    for (std::size_t i = 0; i < kHosts && wrong_.empty(); ++i) step_host(i);
    check_leases();
    if (now() >= next_look_ns_) {
        next_look_ns_ = now() + kLookEveryNs;
        supervise();
    }
    if (!calm_ && now() >= next_weather_ns_) weather();
}

void PartitionSim::step_host(std::size_t i) {
    Host& host = *hosts_[i];
    if (!host.machine) {
        if (now() >= host.back_ns) begin(i);
        return;
    }
    if (now() < host.stopped_ns) return;
    if (host.coming && now() >= host.comes_ns) return take_snapshot(i);
    StreamEvent event;
    while (model_.next(i, event)) host.machine->on(std::move(event), now());
    host.machine->turn(now());
    const PartitionStatus& status = host.machine->status();
    switch (status.role) {
        case PartitionRole::kFailed: return fail("a host has failed: " + status.trouble);
        case PartitionRole::kFenced:
        case PartitionRole::kReleased: return crash(i, between(20, 200));
        case PartitionRole::kDiverged:
            return fail("a host says that it has diverged: " + status.trouble);
        case PartitionRole::kOwner: return serve(host);
        default: host.serves_ns = 0;
    }
}

// The store of an owner: a write is in the log first, then on the disk, then acknowledged.
void PartitionSim::serve(Host& host) {
    PartitionMachine& machine = *host.machine;
    if (host.serves_ns == 0) {
        host.serves_ns = now() + between(20, 60);
        host.served = 0;
        ++takeovers_;
    }
    if (now() < host.serves_ns) return;
    if (auto done = machine.done()) {
        if (!*done) return;
        (void)host.copy.apply(host.event, **done);
        (void)host.copy.sync();
        if (waits_for_copy_) check_second_copy(host);
        ++host.served;
        ledger_.insert(std::exchange(host.event, {}));
    }
    if (!machine.may_append() || !host.event.empty() || (calm_ && chance(2)) ||
        now() >= idle_from_ns_ || !chance(append_one_in_) || !machine.has_room(kSmallBytes, now()))
        return;
    host.event = "event " + std::to_string(++events_);
    // Now and then one that has parts.
    if (model_.ring_bytes == 0 && chance(150)) {
        host.event.push_back(' ');
        const std::size_t bytes = kPartBytesMax + random_.below(3 * kPartBytesMax);
        while (host.event.size() < bytes) {
            const std::uint64_t word = random_.next();
            host.event.append(reinterpret_cast<const char*>(&word), sizeof word);
        }
    }
    machine.append(host.event, now());
}

// What is acknowledged now is on another disk too.
void PartitionSim::check_second_copy(const Host& owner) {
    const std::uint64_t hash = owner.copy.entries.back().at.hash;
    for (const auto& host : hosts_) {
        if (host.get() == &owner) continue;
        for (std::size_t k = host->copy.synced; k-- > 0;) {
            if (host->copy.entries[k].at.hash == hash) return;
        }
    }
    fail("acknowledged, and on one disk only");
}

// ---- who tells whom to own

void PartitionSim::supervise() {
    bool owned = false;
    Host* best = nullptr;
    for (auto& host : hosts_) {
        if (host->machine && host->machine->status().connected && now() >= host->stopped_ns) {
            host->heard_ns = now();
            host->told = host->machine->status();
            if (host->told.needs_snapshot && !host->coming) begin_snapshot(*host);
        }
        const bool lives = now() - host->heard_ns < kNodeTimeoutNs && host->heard_ns != 0;
        owned |= lives && host->told.role == PartitionRole::kOwner;
        const bool may = host->machine && host->heard_ns == now() && !host->told.needs_snapshot &&
                         (host->told.role == PartitionRole::kStandby ||
                          host->told.role == PartitionRole::kCatchingUp);
        if (may && (!best || host->told.applied > best->told.applied)) best = host.get();
    }
    if (!owned && best && now() > kNodeTimeoutNs) best->machine->own();
    decide_in_sync();
}

// META, as the owner's node writes it.
void PartitionSim::decide_in_sync() {
    for (std::size_t i = 0; i < kHosts; ++i) {
        PartitionMachine* const owner = hosts_[i]->machine.get();
        if (!owner || owner->status().role != PartitionRole::kOwner ||
            now() < hosts_[i]->stopped_ns)
            continue;
        const auto& waits_for = owner->status().waits_for;
        const auto& near = owner->status().near;
        for (std::size_t k = 0; k < kHosts; ++k) {
            const std::string name(1, static_cast<char>('a' + k));
            const bool lives = now() - hosts_[k]->heard_ns < kNodeTimeoutNs;
            const bool waited_for =
                std::find(waits_for.begin(), waits_for.end(), name) != waits_for.end();
            const bool needs = lives && hosts_[k]->told.needs_snapshot;
            // Whom META calls in sync is not gone over by the ring.
            if (in_sync_[k] && needs && k != i && !waited_for && model_.ring_bytes != 0)
                fail("the ring has gone over a copy that is in sync");
            if (waited_for || needs)
                in_sync_[k] = false;
            else if (lives && hosts_[k]->told.role == PartitionRole::kStandby &&
                     std::find(near.begin(), near.end(), name) != near.end())
                in_sync_[k] = true;
        }
        in_sync_[i] = true;
    }
    // All are told, so that whoever comes to own knows it.
    for (std::size_t i = 0; i < kHosts; ++i) {
        if (!hosts_[i]->machine) continue;
        std::vector<std::string> others;
        for (std::size_t k = 0; k < kHosts; ++k) {
            if (in_sync_[k] && k != i) others.emplace_back(1, static_cast<char>('a' + k));
        }
        hosts_[i]->machine->in_sync(others);
    }
}

// Of a standby if there is one, else of the owner: what it has, and how far it has read.
void PartitionSim::begin_snapshot(Host& host) {
    Host* best = nullptr;
    for (auto& one : hosts_) {
        if (!one->machine || one.get() == &host || now() < one->stopped_ns ||
            one->machine->status().needs_snapshot)
            continue;
        const PartitionRole role = one->machine->status().role;
        const bool owns = role == PartitionRole::kOwner && one->serves_ns != 0 &&
                          now() >= one->serves_ns && one->event.empty();
        if (!owns && role != PartitionRole::kStandby) continue;
        if (!best || !owns) best = one.get();
    }
    if (!best) return;
    if (best->copy.at().hash == host.copy.at().hash)
        return fail("a snapshot for a copy that misses nothing");
    (void)best->copy.note(best->machine->position());
    (void)best->copy.sync();
    host.coming = std::make_unique<Copy>(best->copy);
    host.comes_ns = now() + between(20, 3'000);
}

// The ring may have gone over it on its way: then another one follows.
void PartitionSim::take_snapshot(std::size_t i) {
    Host& host = *hosts_[i];
    const std::unique_ptr<Copy> come = std::move(host.coming);
    if (come->row.sequence + 1 < host.machine->status().first) return;
    check_chains();
    host.copy = *come;
    crash(i, between(20, 200));
    ++filled_;
}

// ---- the weather

void PartitionSim::weather() {
    next_weather_ns_ = now() + between(200, 4'000);
    const std::size_t i = random_.below(kHosts);
    Host& host = *hosts_[i];
    const bool falls = now() >= calm_until_ns_;
    const auto kind = random_.below(9);
    // Some do not occur at all in some seeds.
    if ((weather_kinds_ >> kind & 1u) != 0 && kind > 2) return;
    switch (kind) {
        case 0:
        case 1:
            if (falls) crash(i, between(50, model_.ring_bytes != 0 ? 20'000 : 8'000));
            break;
        case 2:
            if (host.machine && falls) model_.cut(i, between(100, 9'000));
            break;
        case 3: model_.lose_leader(between(3'000, 8'000)); break;
        case 4:
            if (host.machine && falls && host.machine->status().role == PartitionRole::kOwner)
                host.machine->hand_over(std::string(1, static_cast<char>('a' + (i + 1) % kHosts)));
            break;
        case 5: {
            // Its end, while its owner is there to say it again: what owner and stream lose at once
            // nobody has (ack "replicated" says so).
            Host* owner = nullptr;
            for (auto& one : hosts_) {
                if (one->machine && one->serves_ns != 0 && now() > one->serves_ns &&
                    one->machine->status().role == PartitionRole::kOwner &&
                    one->machine->status().connected && one->served > 5)
                    owner = one.get();
            }
            if (owner && falls) {
                model_.lose_tail(1 + random_.below(4));
                calm_until_ns_ = now() + 60 * kSecond;
            }
            break;
        }
        case 6:
            if (model_.ring_bytes == 0 && model_.last() > model_.first() + 30)
                model_.drop_first(random_.below(30));
            break;
        case 7:
            if (falls) host.stopped_ns = now() + between(500, 12'000);
            break;
        default: break;
    }
}

// ---- what must be true

void PartitionSim::check_leases() {
    std::size_t holders = 0;
    for (auto& host : hosts_) {
        holders += host->machine && host->serves_ns != 0 && now() >= host->serves_ns &&
                           now() >= host->stopped_ns && now() < host->machine->lease_until_ns()
                       ? 1
                       : 0;
    }
    if (holders > 1) fail("two hosts may deliver at the same time");
}

void PartitionSim::check_chains() {
    for (std::size_t i = 0; i + 1 < kHosts; ++i) {
        const auto& a = hosts_[i]->copy.entries;
        const auto& b = hosts_[i + 1]->copy.entries;
        const std::size_t both = std::min(a.size(), b.size());
        for (std::size_t k = 0; k < both; ++k) {
            if (a[k].at.hash == b[k].at.hash && a[k].batch == b[k].batch &&
                a[k].at.epoch == b[k].at.epoch)
                continue;
            return fail("two copies differ at unit " + std::to_string(a[k].at.unit));
        }
    }
}

void PartitionSim::check_ledger() {
    for (auto& host : hosts_) {
        std::set<std::string> seen;
        std::uint64_t epoch = 0;
        for (const Copy::Entry& entry : host->copy.entries) {
            if (entry.batch.empty()) {
                // An ownership, or its end.
                if (entry.at.epoch < epoch) return fail("epochs do not rise");
                epoch = entry.at.epoch;
            } else if (!seen.insert(entry.batch).second) {
                return fail("twice in a copy: " + entry.batch.substr(0, 20));
            }
        }
        for (const std::string& event : ledger_) {
            if (!seen.contains(event))
                return fail("acknowledged, and missing in a copy: " + event.substr(0, 20));
        }
    }
}

bool PartitionSim::settled() const {
    bool owned = false;
    for (const auto& host : hosts_) {
        if (!host->machine || !host->event.empty()) return false;
        if (host->copy.at().hash != hosts_[0]->copy.at().hash) return false;
        owned |= host->machine->status().role == PartitionRole::kOwner;
    }
    return owned;
}

void PartitionSim::calm() {
    calm_ = true;
    for (auto& host : hosts_) host->stopped_ns = 0;
    model_.weather = {};
    append_one_in_ = 1'000'000'000;
    const std::int64_t end = now() + kCalmNs;
    while (wrong_.empty() && now() < end) {
        step();
        if (settled()) return;
    }
    fail("the copies do not come to the same end: " + [this] {
        std::string all;
        for (const auto& host : hosts_)
            all += (host->machine ? std::string(role_text(host->machine->status().role)) + " " +
                                        std::to_string(host->copy.at().unit) + " " +
                                        host->machine->status().trouble
                                  : std::string("down")) +
                   "; ";
        return all;
    }());
}

void PartitionSim::play() {
    while (wrong_.empty() && now() < kPlayNs) step();
    if (wrong_.empty()) calm();
    if (wrong_.empty()) check_chains();
    if (wrong_.empty()) check_ledger();
    if (wrong_.empty() && takeovers_ == 0) fail("nobody ever owned the partition");
}

}  // namespace millrace::test
