#include "runtime/node/node.h"

#include "core/made_id.h"
#include "runtime/node/child_settings.h"
#include "runtime/node/copies.h"
#include "runtime/node/meta_check.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <utility>

namespace millrace::runtime::node {

Node::Node(Deps deps)
    : deps_(std::move(deps)), settings_(*deps_.settings), random_(deps_.seed ^ 0x6e6f6465) {
    since_ns_ = turned_ns_ = deps_.clock->monotonic_ns();
    load_meta();
}

// The revision, and behind it META's text.
void Node::load_meta() {
    std::ifstream file(deps_.meta_file, std::ios::binary);
    std::uint64_t revision = 0;
    std::string text;
    if (!(file >> revision) || !std::getline(file >> std::ws, text)) return;
    auto meta = read_meta(text);
    if (!meta) {
        deps_.log->warn("cluster: what was kept of META does not read",
                        {{"file", deps_.meta_file}, {"error", meta.error().message}});
        return;
    }
    meta_ = std::move(*meta);
    meta_->revision = revision;
    made_ns_ = turned_ns_;
}

void Node::keep_meta() const {
    if (deps_.meta_file.empty()) return;
    const std::string part = deps_.meta_file + ".part";
    std::ofstream file(part, std::ios::binary | std::ios::trunc);
    file << meta_->revision << "\n" << meta_->json() << "\n";
    file.close();
    if (!file || std::rename(part.c_str(), deps_.meta_file.c_str()) != 0)
        deps_.log->warn("cluster: META could not be kept", {{"file", deps_.meta_file}});
}

std::string Node::new_id(std::string_view prefix) { return core::make_id(prefix, random_, 12); }

std::string Node::settings_line(std::size_t partition) const {
    return child_settings_line(*deps_.config, settings_, *meta_, partition);
}

View Node::view() const {
    View now;
    now.self = settings_.node;
    now.now_ns = turned_ns_;
    now.since_ns = since_ns_;
    now.node_timeout_ns = deps_.config->cluster.node_timeout_us * 1000;
    now.made_ns = made_ns_;
    now.meta = &*meta_;
    now.heard = &heard_;
    return now;
}

void Node::turn() {
    const std::int64_t now_ns = deps_.clock->monotonic_ns();
    // Stopped, or starved: what was heard before says nothing about who is there.
    if (now_ns - turned_ns_ > kBreakNs) since_ns_ = now_ns;
    turned_ns_ = now_ns;
    deps_.bus->turn();
    if (!deps_.bus->refusal().empty()) {
        fatal_ = deps_.bus->refusal();
        return;
    }
    hear();
    take_news(now_ns);
    if (!fatal_.empty()) return;
    const bool changed = deps_.supervisor->turn();
    if (!joined_ && opened_ns_ != 0 && now_ns - opened_ns_ >= kListenFirstNs && !leaving_)
        joined_ = deps_.bus->open();
    if (joined_ && !leaving_) beat();
    if (deps_.bus->open() && now_ns - asked_ns_ >= kMetaNs) {
        asked_ns_ = now_ns;
        deps_.bus->ask_meta();
    }
    take_orders();
    // What was kept of META may be old: nothing is ordered by it before NATS has said what it has.
    // That may be of the past too (another leader's): then the wrong process runs for a moment, or
    // tries to own; that two never do is the log's business.
    if (joined_ && !leaving_ && meta_ && meta_heard_) {
        decide();
        tell_audit();
        write_what_is_due();
    }
    if (changed || now_ns - published_ns_ >= kPublishNs) publish_view(now_ns);
}

void Node::leave() {
    leaving_ = true;
    // Whose name it is has the word.
    if (!joined_ || !fatal_.empty()) return;
    // Others know at once that nothing is owned here.
    Heartbeat last = heard_[settings_.node].said;
    for (auto& [p, status] : last.partitions) status.role = Role::kDown;
    deps_.bus->say(last);
    deps_.bus->turn();
}

// ---- what is heard

void Node::hear() {
    while (auto said = deps_.bus->next_heartbeat()) {
        if (said->node == settings_.node) {
            if (said->incarnation != deps_.incarnation) take_own_name(*said);
            continue;
        }
        if (!is_node_name(said->node)) continue;
        Heard& heard = heard_[said->node];
        heard.at_ns = turned_ns_;
        heard.said = std::move(*said);
        if (meta_ && heard.said.meta_revision > meta_->revision) asked_ns_ = 0;
    }
}

void Node::take_own_name(const Heartbeat& said) {
    const Member* member = meta_ ? meta_->member(settings_.node) : nullptr;
    // Of two that run, META has the word; before one has joined, whoever was there first.
    if (joined_ && (!member || member->incarnation == deps_.incarnation)) return;
    fatal_ = "a node called '" + settings_.node + "' is running already, at " + said.url +
             ": give this one another cluster.node, or end that one first";
}

void Node::take_news(std::int64_t now_ns) {
    while (auto news = deps_.bus->next_news()) {
        switch (news->what) {
            case BusNews::What::kOpened:
                opened_ns_ = now_ns;
                since_ns_ = now_ns;
                asked_ns_ = 0;
                break;
            case BusNews::What::kClosed: break;
            case BusNews::What::kMeta:
                meta_heard_ = true;
                take_meta(std::move(news->meta));
                break;
            case BusNews::What::kNoMeta:
                if (initialized() && !no_meta_)
                    deps_.log->error(
                        "cluster: META is gone from NATS; what was known goes on, and can be "
                        "written again: millrace cluster init --restore");
                if (initialized() && !std::exchange(checked_, true))
                    fatal_ = configured_otherwise(*meta_, deps_.config->cluster);
                no_meta_ = meta_heard_ = true;
                break;
            case BusNews::What::kWritten:
                writing_ = false;
                if (making_ && making_->written) {
                    making_->order.answer(202, R"({"id":"init"})");
                    making_.reset();
                }
                if (written_change_) {
                    if (written_change_->then) written_change_->then();
                    written_change_->order.answer(202, written_change_->answer);
                    written_change_.reset();
                }
                take_meta(std::move(news->meta));
                break;
            case BusNews::What::kBeaten:
            case BusNews::What::kUnsure:
                writing_ = false;
                if (making_ && making_->written) {
                    making_->order.answer(
                        409, R"({"success":false,"error":{"message":"the cluster has been made )"
                             R"(already, or NATS did not answer: look at GET /v2/cluster",)"
                             R"("code":"CONFLICT","statusCode":409}})");
                    making_.reset();
                }
                // It is made anew from what META says by then.
                if (written_change_) {
                    changes_.push_front(std::move(*written_change_));
                    written_change_.reset();
                }
                asked_ns_ = 0;
                written_ns_ = now_ns;
                break;
            case BusNews::What::kStream:
            case BusNews::What::kStreamRefused: go_on_making(*news); break;
            case BusNews::What::kAsked: take_asked(news->words); break;
        }
    }
}

void Node::take_meta(Meta&& meta) {
    // At the start; later nobody is stopped by what NATS may have of the past.
    if (!checked_ && meta.initialized()) {
        checked_ = true;
        std::string other = configured_otherwise(meta, deps_.config->cluster);
        if (other.empty() && initialized()) other = another_cluster(meta, *meta_);
        if (!other.empty()) {
            fatal_ = std::move(other);
            return;
        }
    }
    if (meta_ && meta.is_older_than(*meta_)) {
        // NATS has gone back, or answers from the past: what was known stays true.
        deps_.log->warn("cluster: META has gone back; what was known is kept",
                        {{"known", static_cast<std::int64_t>(meta_->revision)},
                         {"read", static_cast<std::int64_t>(meta.revision)}});
        return;
    }
    const bool is_new = !meta_ || meta_->is_older_than(meta);
    if (!initialized() && meta.initialized()) made_ns_ = turned_ns_;
    meta_ = std::move(meta);
    no_meta_ = false;
    if (!is_new) return;
    keep_meta();
    const Member* own = meta_->member(settings_.node);
    if (!own) return;
    if (own->incarnation == deps_.incarnation) {
        named_ = true;
    } else if (named_) {
        fatal_ = "another process has taken the name '" + settings_.node +
                 "' in the cluster: its cluster.node is ours";
    }
}

// ---- what is said

void Node::beat() {
    Heard& own = heard_[settings_.node];
    own.at_ns = turned_ns_;
    own.said.node = settings_.node;
    own.said.url = settings_.advertise.to_string();
    own.said.incarnation = deps_.incarnation;
    own.said.meta_revision = meta_ ? meta_->revision : 0;
    auto statuses = deps_.supervisor->statuses();
    const bool roles_changed =
        statuses.size() != own.said.partitions.size() ||
        !std::equal(statuses.begin(), statuses.end(), own.said.partitions.begin(),
                    [](const auto& a, const auto& b) {
                        return a.first == b.first && a.second.role == b.second.role &&
                               a.second.epoch == b.second.epoch;
                    });
    own.said.partitions = std::move(statuses);
    // Who owns is told at once: requests wait for it.
    if (!roles_changed && turned_ns_ - beaten_ns_ < kBeatNs) return;
    beaten_ns_ = turned_ns_;
    deps_.bus->say(own.said);
}

// ---- what is decided

void Node::decide() {
    std::set<std::size_t> here;
    for (std::size_t p = 0; p < meta_->partitions(); ++p) {
        if (runs_here(*meta_, p, settings_.node)) here.insert(p);
    }
    deps_.supervisor->want(here);
    if (!deps_.bus->open()) return;
    for (const auto& [partition, line] : copy_orders(view()))
        deps_.supervisor->order(partition, line);
    for (const Order& order : orders_for(view())) {
        if (order.what == Order::What::kOwn)
            deps_.supervisor->order(order.partition, R"({"do":"own"})");
        else
            deps_.supervisor->order(order.partition,
                                    R"({"do":"hand_over","to":")" + order.to + R"("})");
    }
}

void Node::write_what_is_due() {
    if (writing_ || !deps_.bus->open() || !meta_->initialized()) return;
    if (written_ns_ != 0 && turned_ns_ - written_ns_ < kBeatNs) return;
    const std::string url = settings_.advertise.to_string();
    Member* own = meta_->member(settings_.node);
    if (!own || own->incarnation != deps_.incarnation || own->url != url) {
        Meta next = *meta_;
        Member* member = next.member(settings_.node);
        if (!member) {
            if (next.members.size() >= kMembersMax) return;
            next.members.push_back({settings_.node, {}, {}, false});
            member = &next.members.back();
        }
        member->url = url;
        member->incarnation = deps_.incarnation;
        writing_ = deps_.bus->write_meta(next, meta_->revision);
        return;
    }
    if (!changes_.empty()) return write_next_change();
    // Only its own process has told that it is in the log.
    if (!meta_->asked.empty() &&
        deps_.supervisor->audited(audit_partition(*meta_)) == meta_->asked.front().id) {
        Meta next = *meta_;
        next.asked.erase(next.asked.begin());
        writing_ = deps_.bus->write_meta(next, meta_->revision);
        return;
    }
    if (const auto next = with_copies_behind(view())) {
        writing_ = deps_.bus->write_meta(*next, meta_->revision);
        return;
    }
    if (const auto next = tidied(view(), new_id()))
        writing_ = deps_.bus->write_meta(*next, meta_->revision);
}

// By the one whose process can take it into its log; the others wait till it is gone from META.
void Node::tell_audit() {
    if (meta_->asked.empty() || turned_ns_ - audit_told_ns_ < kMetaNs) return;
    const std::size_t partition = audit_partition(*meta_);
    if (deps_.supervisor->address(partition).empty() ||
        deps_.supervisor->audited(partition) == meta_->asked.front().id)
        return;
    audit_told_ns_ = turned_ns_;
    deps_.supervisor->order(partition, audit_order(meta_->asked.front()));
}

void Node::write_next_change() {
    constexpr unsigned kTriesMax = 20;
    Change change = std::move(changes_.front());
    changes_.pop_front();
    auto next = change.make(*meta_);
    const auto is_it = [&change](const AskedFor& one) { return one.id == change.asked.id; };
    // It has become so, or the write that nobody was sure of was there.
    if (!next || std::any_of(meta_->asked.begin(), meta_->asked.end(), is_it)) {
        if (change.then) change.then();
        change.order.answer(202, change.answer);
        return;
    }
    next->asked.push_back(change.asked);
    if (++change.tries > kTriesMax) {
        change.order.answer(
            503, R"({"success":false,"error":{"message":"META could not be written","code":)"
                 R"("UNAVAILABLE","statusCode":503}})");
        return;
    }
    writing_ = deps_.bus->write_meta(*next, meta_->revision);
    if (writing_)
        written_change_ = std::move(change);
    else
        changes_.push_front(std::move(change));
}

}  // namespace millrace::runtime::node
