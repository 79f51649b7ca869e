// Where the server listens, and what its listeners speak.
#include "runtime/server/part_options.h"
#include "runtime/server/server_parts.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace millrace::runtime {

core::Status ServerParts::listen_one(std::string_view what, const std::string& where,
                                     std::string& bound,
                                     core::Result<io::Address> (Shard::*open)(const io::Address&,
                                                                              io::ListenRole)) {
    auto address = io::Address::parse(where);
    if (!address) return core::fail(std::move(std::move(address.error()).in(std::string(what))));
    if (!address->is_loopback() && !key_ring.closed()) {
        return core::fail(
            core::Error(
                core::ErrorCode::kForbidden,
                std::string(what) + ": '" + where +
                    "' is not a loopback address, and no API key exists: everybody would have "
                    "every right; listen on 127.0.0.1, or make a key first: millrace key create "
                    "--bootstrap --data DIR")
                .in(std::string(what)));
    }
    io::Address joined = *address;
    for (std::size_t i = 0; i < shards.size(); ++i) {
        auto opened = (shards[i].get()->*open)(
            joined, i == 0 ? io::ListenRole::kFirst : io::ListenRole::kJoin);
        if (!opened) return core::fail(std::move(opened.error()));
        if (i == 0) joined = *opened;
        // A path has one socket: its connections all live on the first shard, their events do not.
        if (joined.family == io::Address::Family::kUnix) break;
    }
    bound = joined.to_string();
    return {};
}

// One for each shard, of the same files.
core::Result<std::vector<std::shared_ptr<io::TlsContext>>> ServerParts::make_tls(
    const core::TlsConfig& tls) {
    auto material = io::read_tls_material(tls_settings(tls));
    if (!material) return core::fail(std::move(material.error()));
    std::vector<std::shared_ptr<io::TlsContext>> made;
    for (std::size_t i = 0; i < shards.size(); ++i) {
        auto context = io::TlsContext::make(*material, tickets);
        if (!context) return core::fail(std::move(context.error()));
        made.push_back(std::move(*context));
    }
    log.write(material->out_of_time ? core::LogLevel::kWarn : core::LogLevel::kInfo,
              material->out_of_time ? "tls: the certificate is not valid at this time"
                                    : "tls: the certificate is in use",
              {{"subject", material->subject},
               {"notAfter", material->not_after},
               {"clientAuth", tls.client_auth}},
              core::LogSite::current());
    return made;
}

core::Status ServerParts::build_tls() {
    if (config.tls.cert.empty()) return {};
    auto made = make_tls(config.tls);
    if (!made) return core::fail(std::move(made.error()));
    for (std::size_t i = 0; i < shards.size(); ++i) shards[i]->use_tls(std::move((*made)[i]));
    return {};
}

core::Status ServerParts::reload_tls(const core::TlsConfig& tls) {
    if (tls.cert.empty()) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "tls.cert: is empty now; a server that speaks TLS can be "
                                      "without it only after the next start")
                              .in("tls.cert"));
    }
    auto made = make_tls(tls);
    if (!made) return core::fail(std::move(made.error()));
    for (std::size_t i = 0; i < shards.size(); ++i)
        shards[i]->post([context = (*made)[i]](Shard& shard) { shard.use_tls(context); });
    return {};
}

core::Status ServerParts::listen() {
    if (auto built = build_tls(); !built) return built;
    if (auto ok =
            listen_one("http.listen", config.http.listen, addresses.http, &Shard::listen_http);
        !ok)
        return ok;
    if (!config.socket.listen.empty()) {
        auto ok = listen_one("socket.listen", config.socket.listen, addresses.socket,
                             &Shard::listen_lines);
        if (!ok) return ok;
    }
    if (!config.socket.unix_path.empty()) {
        auto ok = listen_one("socket.unix", "unix:" + config.socket.unix_path,
                             addresses.unix_socket, &Shard::listen_lines);
        if (!ok) return ok;
    }
    name_telemetry();
    return {};
}

}  // namespace millrace::runtime
