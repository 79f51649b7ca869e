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

namespace millrace::runtime::node {

// `home`: the tenant's home partition.
using KeyHandler = void (*)(KeyFront& key, Passage& passage, std::size_t home);

// key_ways.cc
void give_to_sockets(KeyFront& key, Passage& passage, std::size_t home);
void go_home(KeyFront& key, Passage& passage, std::size_t home);
// key_changes.cc
void go_and_change(KeyFront& key, Passage& passage, std::size_t home);
// What was changed in passage.partition is in force everywhere: `then`. Else the client is told.
using KeyThen = std::function<void(KeyFront& key, Passage& passage)>;
void follow_then(KeyFront& key, Passage& passage, KeyThen then);
// key_events.cc
void take_events(KeyFront& key, Passage& passage, std::size_t home);
// key_lists.cc
void tell_found(KeyFront& key, Passage& passage, const Gathering& whole);
void ask_by_id(KeyFront& key, Passage& passage, std::size_t home);
void ask_for_trial(KeyFront& key, Passage& passage, std::size_t home);
void ask_page(KeyFront& key, Passage& passage, std::size_t home);
// key_figures.cc
void ask_for_figures(KeyFront& key, Passage& passage, std::size_t home);
// key_letters.cc
void redrive_letters(KeyFront& key, Passage& passage, std::size_t home);
void rehearse_letters(KeyFront& key, Passage& passage, std::size_t home);
void mark_letters(KeyFront& key, Passage& passage, std::size_t home);
// key_removal.cc
void remove_subscription(KeyFront& key, Passage& passage, std::size_t home);
// key_replays.cc
void order_replays(KeyFront& key, Passage& passage, std::size_t home);
// key_resume.cc
void resume_everywhere(KeyFront& key, Passage& passage, std::size_t home);
// key_streams.cc
void open_streams(KeyFront& key, Passage& passage, std::size_t home);
// key_homes.cc
void begin_run(KeyFront& key, Passage& passage, std::size_t home);
void ask_each(KeyFront& key, Passage& passage, std::size_t home);
void ask_links(KeyFront& key, Passage& passage, std::size_t home);

}  // namespace millrace::runtime::node
