#include "runtime/node/gatherer.h"

#include "runtime/identity/trusted_front.h"

#include <algorithm>

namespace millrace::runtime::node {

void Part::answer_head(const io::AnswerHead& head) {
    status = head.status;
    content_type = head.content_type;
    told = head.header(identity::kFrontAnswerHeader);
    text.clear();
}

void Part::answer_bytes(std::string_view bytes) {
    if (text.size() + bytes.size() > Gathering::kPartBytesMax) {
        text.clear();
        status = 0;  // it is none that can be told
    }
    if (status != 0) text.append(bytes);
}

void Part::answer_end() {
    state = status == 0 ? State::kUnknown : State::kAnswered;
    gatherer_.came(*this);
}

void Part::failed(Failure how, std::string_view /*why*/) {
    if (how == Failure::kUnknown) may_be_taken = true;
    state = how == Failure::kNotSent || whole_.repeatable ? State::kWaits : State::kUnknown;
    gatherer_.came(*this);
}

Gatherer::~Gatherer() { cancel_all(); }

void Gatherer::cancel_all() {
    for (auto& [id, whole] : running_) {
        for (auto& part : whole->parts) {
            if (part->under_way()) host_.client().cancel(*part);
        }
    }
    running_.clear();
    ended_.clear();
}

void Gatherer::start(std::unique_ptr<Gathering> whole) {
    whole->id = next_++;
    Gathering& running = *whole;
    running_.emplace(running.id, std::move(whole));
    for (auto& part : running.parts) send(*part);
    end_if_over(running);
}

void Gatherer::send(Part& part) {
    Gathering& whole = part.whole();
    const std::int64_t now_ns = host_.now_ns();
    if (now_ns >= whole.hold_until_ns) {
        part.state = part.may_be_taken ? Part::State::kUnknown : Part::State::kNotTaken;
        return;
    }
    part.state = Part::State::kWaits;
    if (part.partition >= host_.routing().targets.size()) return;
    const Target& target = host_.routing().targets[part.partition];
    if (target.where == Target::Where::kNowhere) return;
    part.status = 0;
    part.told.clear();
    part.text.clear();
    part.sent_ns = now_ns;
    if (host_.client().start(part, target.address, host_.head_of(whole, part), part.body))
        part.state = Part::State::kAsked;
}

void Gatherer::came(Part& part) {
    if (part.state == Part::State::kAnswered) {
        // Nothing was done there.
        const bool later = part.whole().later_where_busy && part.status == 503;
        if (part.told == "not-here" || later) part.state = Part::State::kWaits;
        if (part.told == "unknown-tenant") {
            part.state = Part::State::kWaits;
            if (!part.tenant_asked) {
                part.tenant_asked = true;
                host_.tenant_unknown(part.whole(), part);
                return;
            }
        }
    }
    end_if_over(part.whole());
}

void Gatherer::end_if_over(Gathering& whole) {
    if (!std::all_of(whole.parts.begin(), whole.parts.end(),
                     [](const auto& part) { return part->over(); }))
        return;
    const auto found = running_.find(whole.id);
    if (found == running_.end()) return;
    std::unique_ptr<Gathering> own = std::move(found->second);
    running_.erase(found);
    own->when_over(*own);
    ended_.push_back(std::move(own));
}

void Gatherer::look() {
    const std::int64_t now_ns = host_.now_ns();
    std::vector<std::uint64_t> ids;
    for (const auto& [id, whole] : running_) ids.push_back(id);
    for (const std::uint64_t id : ids) {
        const auto found = running_.find(id);
        if (found == running_.end()) continue;
        Gathering& whole = *found->second;
        for (auto& part : whole.parts) {
            if (part->state == Part::State::kWaits) send(*part);
            if (part->state != Part::State::kAsked || now_ns - part->sent_ns < whole.answer_ns)
                continue;
            // Its owner waits for NATS, or stands still.
            host_.client().cancel(*part);
            part->state = Part::State::kUnknown;
        }
        end_if_over(whole);
    }
}

void Gatherer::try_again(std::uint64_t gathering) {
    const auto found = running_.find(gathering);
    if (found == running_.end()) return;
    Gathering& whole = *found->second;
    for (auto& part : whole.parts) {
        if (part->state == Part::State::kWaits) send(*part);
    }
    end_if_over(whole);
}

void Gatherer::lost(std::size_t partition) {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, whole] : running_) ids.push_back(id);
    for (const std::uint64_t id : ids) {
        const auto found = running_.find(id);
        if (found == running_.end()) continue;
        Gathering& whole = *found->second;
        for (auto& part : whole.parts) {
            if (part->partition != partition || part->state != Part::State::kAsked) continue;
            host_.client().cancel(*part);
            part->may_be_taken = true;
            part->state = whole.repeatable ? Part::State::kWaits : Part::State::kUnknown;
        }
        end_if_over(whole);
    }
}

}  // namespace millrace::runtime::node
