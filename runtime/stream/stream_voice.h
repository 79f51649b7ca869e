// What: how a stream speaks, where it is neither plain Server-Sent Events nor a plain WebSocket:
//       what it tells is put into another protocol's words here.
// Threads: the conductor's. Lifetime: as long as its stream; shared with whoever opened it.
// Limits: none of its own. Failure: none.
#pragma once

#include "core/result.h"

#include <string>
#include <string_view>

namespace millrace::runtime {

class StreamVoice {
public:
    virtual ~StreamVoice() = default;
    // Each appends what is sent; nothing, where it is not what the client asked for.
    // `data`: an event, a dead letter, an execution as the REST calls show them.
    virtual void tell(std::string& out, std::string_view position, std::string_view data) = 0;
    // The client was further than the log reaches; `data` says so.
    virtual void reset(std::string& out, std::string_view position, std::string_view data) = 0;
    // It can not go on; nothing follows.
    virtual void fail(std::string& out, const core::Error& error, std::string_view position) = 0;
    virtual void keep_alive(std::string& out) = 0;

    // Instead of being opened.
    virtual void refused(core::Error&& error) = 0;
    // It has ended by itself, and the last of it has been taken.
    virtual void ended() = 0;
};

}  // namespace millrace::runtime
