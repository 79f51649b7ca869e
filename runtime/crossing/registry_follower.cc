#include "runtime/crossing/registry_follower.h"

#include "core/percent_encode.h"

#include <iterator>
#include <memory>
#include <utility>

namespace millrace::runtime::crossing {
namespace {

constexpr unsigned kTicketHomeBits = 16;
constexpr int kGood = 200;

core::Error not_yet(std::string why) {
    return core::Error(core::ErrorCode::kUnavailable, std::move(why)).retry_after(1);
}

}  // namespace

RegistryFollower::RegistryFollower(Deps deps)
    : deps_(std::move(deps)), homes_(deps_.partitions), caught_up_(deps_.partitions <= 1) {
    for (std::size_t home = 0; home < homes_.size(); ++home)
        homes_[home].revision = deps_.kept(home);
}

void RegistryFollower::follow(std::size_t home, Done done) {
    if (home >= homes_.size())
        return done(core::fail(core::ErrorCode::kValidation,
                               "home: there is no partition " + std::to_string(home)));
    if (home == deps_.partition) return done(std::uint64_t{0});
    Home& of = homes_[home];
    if (of.waiting.size() >= kWaitingMax)
        return done(core::fail(not_yet("too many wait for the same")));
    of.waiting.push_back(std::move(done));
    if (of.ticket == 0) begin(home);
}

std::size_t RegistryFollower::do_work() {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    std::size_t done = 0;
    for (std::size_t home = 0; home < homes_.size(); ++home) {
        Home& of = homes_[home];
        if (home == deps_.partition || of.ticket != 0 || now_ns < of.look_at_ns) continue;
        // A tenant has to be known before anything of it is taken.
        if (home != SpreadRule::kTenantsHome && deps_.partition != SpreadRule::kTenantsHome &&
            !homes_[SpreadRule::kTenantsHome].known)
            continue;
        begin(home);
        ++done;
    }
    return done;
}

void RegistryFollower::begin(std::size_t home) {
    Home& of = homes_[home];
    of.rows.clear();
    of.bytes = 0;
    of.whole = false;
    of.asked.insert(of.asked.end(), std::make_move_iterator(of.waiting.begin()),
                    std::make_move_iterator(of.waiting.end()));
    of.waiting.clear();
    if (!ask(home, of.revision, "")) fail(home, not_yet("too much is under way"));
}

bool RegistryFollower::ask(std::size_t home, std::uint64_t after, const std::string& next) {
    std::string path(kCrossingRegistryPath);
    path += "?after=" + std::to_string(after);
    if (!next.empty()) path += "&next=" + core::percent_encoded(next);
    const std::uint64_t ticket = ++asked_ << kTicketHomeBits | home;
    homes_[home].ticket = ticket;
    homes_[home].goes_on = !next.empty();
    if (deps_.port->send(*this, ticket, deps_.neighbours->call_to(home, "GET", path))) return true;
    homes_[home].ticket = 0;
    return false;
}

void RegistryFollower::receive(std::uint64_t ticket, courier::HttpAnswer&& answer) {
    const auto kept = std::make_shared<courier::HttpAnswer>(std::move(answer));
    deps_.post([this, ticket, kept] {
        const std::size_t home = ticket & ((1u << kTicketHomeBits) - 1);
        if (home >= homes_.size() || homes_[home].ticket != ticket) return;
        homes_[home].ticket = 0;
        answered(home, std::move(*kept));
    });
}

void RegistryFollower::answered(std::size_t home, courier::HttpAnswer&& answer) {
    if (answer.fault != courier::HttpFault::kNone) return fail(home, not_yet(answer.message));
    if (answer.status != kGood) {
        return fail(home,
                    not_yet("partition " + std::to_string(home) + " answered " +
                            std::to_string(answer.status) + " " + answer.body.substr(0, 200)));
    }
    auto page = parse_spread_page(answer.body);
    if (!page) return fail(home, page.error());
    took_page(home, std::move(*page));
}

// What was read later counts; when a page says that nothing is newer, all of it is as it was there
// at that moment.
void RegistryFollower::took_page(std::size_t home, SpreadPage&& page) {
    Home& of = homes_[home];
    // From the beginning: its notes do not reach back as far, or not any more.
    if (page.whole && !of.goes_on) {
        of.rows.clear();
        of.bytes = 0;
        of.whole = true;
        of.whole_at = page.revision;
    }
    for (SpreadRow& row : page.rows) {
        of.bytes += row.id.size() + (row.json ? row.json->size() : 0);
        std::pair<std::string, std::string> name(row.kind, row.id);
        of.rows.insert_or_assign(std::move(name), std::move(row));
    }
    if (of.bytes > kCatchUpBytesMax)
        return fail(home, not_yet("what is registered in partition " + std::to_string(home) +
                                  " does not fit into memory at once"));
    bool asked = true;
    if (page.whole)
        asked = page.more ? ask(home, 0, page.next) : ask(home, of.whole_at, "");
    else if (page.more)
        asked = ask(home, page.revision, "");
    else
        return finish(home, page.revision);
    if (!asked) fail(home, not_yet("too much is under way"));
}

void RegistryFollower::finish(std::size_t home, std::uint64_t revision) {
    Home& of = homes_[home];
    SpreadRows rows = std::move(of.rows);
    of.rows.clear();
    const bool nothing = rows.empty() && !of.whole && of.known && revision == of.revision;
    if (!nothing) {
        if (auto taken = deps_.take(home, std::move(rows), of.whole, revision); !taken)
            return fail(home, taken.error());
    }
    of.revision = revision;
    of.known = true;
    of.trouble.clear();
    of.look_at_ns = deps_.clock->monotonic_ns() + kLookNs;
    if (!caught_up()) {
        bool all = true;
        for (std::size_t i = 0; i < homes_.size(); ++i)
            all &= i == deps_.partition || homes_[i].known;
        if (all) {
            caught_up_.store(true, std::memory_order_release);
            deps_.log->info("what is registered in the other partitions is here",
                            {{"partitions", homes_.size()}});
        }
    }
    end(home, revision);
}

void RegistryFollower::fail(std::size_t home, const core::Error& why) {
    Home& of = homes_[home];
    of.rows.clear();
    of.look_at_ns = deps_.clock->monotonic_ns() + kAgainNs;
    if (of.trouble != why.message) {
        of.trouble = why.message;
        deps_.log->warn("what is registered in another partition can't be had now",
                        {{"partition", home}, {"reason", why.message}});
    }
    end(home, core::fail(core::Error(why)));
}

// Who has asked meanwhile is told by the next one.
void RegistryFollower::end(std::size_t home, const core::Result<std::uint64_t>& result) {
    Home& of = homes_[home];
    for (const Done& done : std::exchange(of.asked, {})) done(core::Result<std::uint64_t>(result));
    if (!of.waiting.empty()) begin(home);
}

}  // namespace millrace::runtime::crossing
