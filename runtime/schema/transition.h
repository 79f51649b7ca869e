// What: a rule that knows states: an event leads its key from the state that the last accepted one
//       left it in to the state that stands in it, and not every step is allowed.
// Threads: any at once. Lifetime: owns everything.
// Limits: kTransitionStatesMax states, kTransitionTextMax bytes of a state, kTransitionKeyMax of a
//       key.
// Failure: make() names the member; refuse() says which step is not allowed and which ones are.
//
// "null" (or "") names the state before the first event. A rule without it lets a key begin in any
// state that it names. An event without the field makes no step; one without a key can not be
// asked.
#pragma once

#include "core/event.h"
#include "core/json_dom.h"
#include "core/json_place.h"
#include "core/result.h"
#include "matcher/filter/dialects.h"
#include "runtime/schema/validator.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::schema {

inline constexpr std::size_t kTransitionStatesMax = 256;
inline constexpr std::size_t kTransitionTextMax = 256;
inline constexpr std::size_t kTransitionKeyMax = 1024;
// In place of a state: there was no event yet.
inline constexpr std::string_view kNoState = "null";

// What an event says of one transition.
struct Step {
    std::size_t transition = 0;  // in Contract::transitions()
    std::string key;
    std::string to;
};

class Transition {
public:
    struct Text {
        std::string_view key, field;
        std::string_view allowed;  // JSON
        std::string_view message;
    };
    // `place`: where the rule stands, for errors.
    static core::Result<Transition> make(const Text& text, std::size_t number,
                                         const std::string& place);

    // Adds the event's step, if it makes one.
    std::optional<Failure> read(const core::Envelope& envelope, core::JsonElement payload,
                                std::size_t index, std::vector<Step>& steps) const;
    // The same by the tokens of the payload. False: it may be otherwise, or has failed; `steps` is
    // as it was.
    bool read_quickly(const core::Envelope& envelope, const core::JsonPlace& payload,
                      std::size_t index, std::vector<Step>& steps) const;
    // `from`: kNoState before the first one.
    std::optional<Failure> refuse(const Step& step, std::string_view from) const;

    // Which states are meant: those of another key or field are others.
    std::uint64_t hash() const { return hash_; }

private:
    Failure failure(std::string message) const;

    std::size_t number_ = 0;  // in the list of rules
    std::uint64_t hash_ = 0;
    matcher::Path key_, field_;
    std::string key_text_, pointer_, message_;
    std::map<std::string, std::set<std::string>, std::less<>> allowed_;
    std::set<std::string, std::less<>> states_;  // all that are named
};

// A path of a rule, as "$.currency"; errors are of the member `place`.
core::Result<matcher::Path> read_rule_path(std::string_view text, const std::string& place);
// "$.lines[*].sku" of the payload as a pointer into it: "/lines/*/sku".
std::string pointer_of(const matcher::Path& path);

}  // namespace millrace::runtime::schema
