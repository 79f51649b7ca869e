// What: what differs between the protocols behind TLS: which of them a client may name (ALPN), and
//       what somebody is told who speaks it without TLS.
// Threads: constants. Lifetime: the process. Limits: none. Failure: none.
#pragma once

#include <string>
#include <string_view>

namespace millrace::io {

struct TlsService {
    // A client that names protocols must name this one: else it means another service, and a page
    // could make a browser send it what it takes for something else.
    std::string_view protocol;
    // Or this one, where it names the first not: who can speak both is better served by the first.
    // Empty: there is none.
    std::string_view other_protocol;
    std::string plain_refusal;
};

const TlsService& http_tls_service();
const TlsService& line_tls_service();

}  // namespace millrace::io
