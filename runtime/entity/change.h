// What: one change of one entity on its way: what is asked for, which hooks are asked before it,
//       what they see, what they made of it, and the event that tells of it. Decisions and texts;
//       the lane runs the hooks and commits (delivery/entity_run.cc).
// Threads: values. Lifetime: values.
// Limits: kHooksPerChangeMax hooks before a change, kHookChainMax links of a chain of causes.
// Failure: none here.
#pragma once

#include "runtime/entity/document.h"
#include "runtime/entity/names.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

inline constexpr std::size_t kHooksPerChangeMax = 32;
inline constexpr std::size_t kHookChainMax = 16;
inline constexpr std::uint32_t kHookTimeoutMs = 5'000;
// Names the chain in a call that a hook makes, so that a loop through HTTP is seen too.
inline constexpr std::string_view kHookChainHeader = "millrace-chain";

struct EntityHook {
    std::string id;
    std::uint32_t number = 0;
    std::uint32_t script = 0;
};

struct EntityChange {
    EntityVerb verb = EntityVerb::kCreated;
    std::string type;
    std::string id;
    // Members as document.h means them; `before` is empty at a creation.
    std::string before;
    std::string doc;
    EntityStamp stamp;        // before the change; its version is 0 at a creation
    EntityStamp stamp_after;  // once it is settled
    std::vector<EntityHook> hooks;
    std::size_t next_hook = 0;
    // The document lives elsewhere: hooks are asked, and nothing of it is kept here.
    bool elsewhere = false;
    bool asks_before = true;         // else only the event is wanted (elsewhere)
    std::vector<std::string> chain;  // links that led here

    // What came of it.
    bool changed = false;
    std::string payload;   // the difference of an update
    std::string event_id;  // of the event that tells of it; empty: there is none

    bool hooks_left() const { return next_hook < hooks.size(); }
};

// {"doc","beforeUpdateDoc","payload"} as the next hook sees it.
std::string hook_input(const EntityChange& change);
// What a hook left as `doc`: an object's JSON text. False when it is no document any more; `why`
// says it.
bool take_hook_doc(EntityChange& change, std::string_view doc, std::string& why);
// Once all hooks have been asked: is there a change, and what is it?
void settle_change(EntityChange& change, std::int64_t now_us);

// The event as one line of JSON; settle_change() comes first.
std::string entity_event(const EntityChange& change, std::int64_t now_us);

// "hk_1@order/o7,hk_2@order/o7"
std::string join_chain(const std::vector<std::string>& chain);
// False when it is none.
bool read_chain(std::string_view text, std::vector<std::string>& chain);
bool is_in_chain(const std::vector<std::string>& chain, std::string_view link);
// The member "x-chain" of an event.
std::vector<std::string> chain_of_event(std::string_view event);

}  // namespace millrace::runtime
