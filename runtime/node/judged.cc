#include "runtime/node/judged.h"

#include "core/crypto/digest.h"
#include "runtime/identity/trusted_front.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::node {

void Judged::Table::put(const std::string& shown, JudgementRef one, std::size_t most) {
    const auto [at, is_new] = rows.insert_or_assign(shown, std::move(one));
    if (is_new) order.push_back(shown);
    while (rows.size() > most) {
        rows.erase(order.front());
        order.pop_front();
    }
}

void Judged::Table::forget(const std::string& shown) {
    if (rows.erase(shown) != 0) order.erase(std::find(order.begin(), order.end(), shown));
}

JudgementRef Judged::Table::find(const std::string& shown) const {
    const auto found = rows.find(shown);
    return found == rows.end() ? nullptr : found->second;
}

JudgementRef Judged::fresh(const std::string& shown, std::int64_t now_ns) const {
    JudgementRef known = known_.find(shown);
    JudgementRef refused = refused_.find(shown);
    // What was said last.
    if (refused && (!known || known->at_ns < refused->at_ns))
        return now_ns - refused->at_ns < kRefusalFreshNs ? refused : nullptr;
    return known && now_ns - known->at_ns < kFreshNs ? known : nullptr;
}

JudgementRef Judged::stale(const std::string& shown, std::int64_t now_ns) const {
    JudgementRef known = known_.find(shown);
    const JudgementRef refused = refused_.find(shown);
    if (!known || (refused && known->at_ns < refused->at_ns)) return nullptr;
    return now_ns - known->at_ns < kStaleNs ? known : nullptr;
}

JudgementRef Judged::put(const std::string& shown, Judgement&& judgement) {
    auto made = std::make_shared<const Judgement>(std::move(judgement));
    if (made->principal.empty()) {
        refused_.put(shown, made, kRefusalsRemembered);
        // It is nobody any more, however many others are refused meanwhile.
        known_.forget(shown);
    } else {
        known_.put(shown, made, kRemembered);
    }
    return made;
}

std::string Judged::digest_of(std::string_view shown) {
    const core::crypto::Digest digest = core::crypto::sha256(shown);
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Judgement Judged::of_answer(int status, std::string_view principal, std::string body,
                            std::int64_t now_ns) {
    Judgement out;
    out.at_ns = now_ns;
    out.status = status;
    if (!principal.empty()) {
        if (auto told = identity::read_principal(principal)) {
            out.principal = principal;
            out.tenant = told->tenant;
            out.scopes = told->principal.scopes;
            out.has_key = told->principal.key != nullptr;
            return out;
        }
        out.status = 503;
        body.clear();
    }
    out.refusal = std::move(body);
    return out;
}

}  // namespace millrace::runtime::node
