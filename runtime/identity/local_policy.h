// What: what an HTTP request must look like while no key exists and every loopback client has every
//       right. Browsers are such clients too: without these rules any web page could send events by
//       a form or a fetch, and read answers by letting its own name point to 127.0.0.1. And what a
//       request must look like that comes by a session's cookie or a client's certificate, which
//       browsers add by themselves.
// Threads: pure. Lifetime: HostNames is a value. Limits: none.
// Failure: kForbidden or kUnsupportedMediaType, naming the header.
#pragma once

#include "core/result.h"
#include "io/http_types.h"
#include "runtime/identity/cors.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::identity {

// The names by which clients may address the server: the port does not matter, as a tunnel may
// bring another one, and it is the name that a foreign page can't make its own.
class HostNames {
public:
    // `listen`: HOST:PORT as configured. `hosts`: further names with commas between them.
    static core::Result<HostNames> make(std::string_view listen, std::string_view hosts);

    // `host` as a request says it, with or without a port, any case.
    bool knows(std::string_view host) const;

private:
    std::vector<std::string> names_;  // lower case, without ports
};

// In this order: Host, Sec-Fetch-Site, Origin, and a body without Content-Type from a page. A page
// of an origin that `cors` names may call; "*" names nobody while there is no key to show.
core::Status check_local_request(const io::Request& request, const HostNames& names,
                                 const CorsOrigins& cors = {});
// The same without the Host: of a request whose browser adds by itself what lets it in, and that no
// page can bring to a name of its own, as a client's certificate.
core::Status check_page(const io::Request& request, const CorsOrigins& cors);
// Whether it was the page that was refused, not the name it calls the server by.
bool refuses_page(const core::Error& error);

}  // namespace millrace::runtime::identity
