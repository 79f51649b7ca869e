// What: what happens to each kind of request where a tenant's events live by their keys: a function
//       for each KeyWay, which knows the front by KeyFront alone. Another way is a value of KeyWay
//       (runtime/node/key_routes.h), a file with its function, a line here and one in the table of
//       key_ways.cc.
// Threads: the front's. Lifetime: none. Limits: FrontLimits. Failure: the request is answered.
#pragma once

#include "runtime/node/key_front.h"
#include "runtime/node/key_routes.h"

#include <cstddef>
#include <functional>
#include <string_view>

namespace millrace::runtime::node {

struct KeyCase {
    std::size_t home = 0;       // the tenant's home partition
    std::string_view why = {};  // of what is refused
};
using KeyHandler = void (*)(KeyFront& key, Passage& passage, const KeyCase& of);

// key_ways.cc
void refuse(KeyFront& key, Passage& passage, const KeyCase& of);
void give_to_sockets(KeyFront& key, Passage& passage, const KeyCase& of);
void go_home(KeyFront& key, Passage& passage, const KeyCase& of);
// key_changes.cc
void go_and_change(KeyFront& key, Passage& passage, const KeyCase& of);
// What was changed in passage.partition is in force everywhere: `then`. Else the client is told.
using KeyThen = std::function<void(KeyFront& key, Passage& passage)>;
void follow_then(KeyFront& key, Passage& passage, KeyThen then);
// key_events.cc
void take_events(KeyFront& key, Passage& passage, const KeyCase& of);
// key_lists.cc
void tell_found(KeyFront& key, Passage& passage, const Gathering& whole);
void ask_by_id(KeyFront& key, Passage& passage, const KeyCase& of);
void ask_for_trial(KeyFront& key, Passage& passage, const KeyCase& of);
void ask_page(KeyFront& key, Passage& passage, const KeyCase& of);
// key_figures.cc
void ask_for_figures(KeyFront& key, Passage& passage, const KeyCase& of);
// key_letters.cc
void redrive_letters(KeyFront& key, Passage& passage, const KeyCase& of);
void rehearse_letters(KeyFront& key, Passage& passage, const KeyCase& of);
void mark_letters(KeyFront& key, Passage& passage, const KeyCase& of);
// key_removal.cc
void remove_subscription(KeyFront& key, Passage& passage, const KeyCase& of);
// key_replays.cc
void order_replays(KeyFront& key, Passage& passage, const KeyCase& of);
// key_resume.cc
void resume_everywhere(KeyFront& key, Passage& passage, const KeyCase& of);
// key_streams.cc
void open_streams(KeyFront& key, Passage& passage, const KeyCase& of);
// key_homes.cc
void begin_run(KeyFront& key, Passage& passage, const KeyCase& of);
void ask_each(KeyFront& key, Passage& passage, const KeyCase& of);
void ask_links(KeyFront& key, Passage& passage, const KeyCase& of);

}  // namespace millrace::runtime::node
