#include "runtime/executors/conninfo.h"

#include "runtime/courier/host_address.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include <libpq-fe.h>

namespace millrace::runtime {
namespace {

// What a conninfo may say. The rest reads files of this machine, or changes what is checked here.
constexpr std::array<std::string_view, 8> kConninfoTaken = {
    "host", "port", "dbname", "user", "password", "sslmode", "application_name", "client_encoding"};

// Whom this machine trusts.
constexpr const char* kTrustedHere = "/etc/ssl/certs/ca-certificates.crt";

}  // namespace

std::string libpq_line(std::string_view text) {
    return std::string(text.substr(0, text.find('\n')));
}

core::Result<ConninfoOptions> read_conninfo(const std::string& conninfo) {
    char* why = nullptr;
    PQconninfoOption* const options = PQconninfoParse(conninfo.c_str(), &why);
    const auto refuse = [](std::string_view what) {
        return core::fail(core::ErrorCode::kValidation,
                          "the connection's secret " + std::string(what));
    };
    if (!options) {
        PQfreemem(why);  // it may hold what the secret says
        return refuse("is no conninfo of PostgreSQL");
    }
    ConninfoOptions out;
    std::string unknown;
    for (const PQconninfoOption* option = options; option->keyword; ++option) {
        if (!option->val || !*option->val) continue;
        if (std::find(kConninfoTaken.begin(), kConninfoTaken.end(), option->keyword) ==
            kConninfoTaken.end())
            unknown = option->keyword;
        out.emplace(option->keyword, option->val);
    }
    PQconninfoFree(options);
    if (!unknown.empty()) return refuse("says " + unknown + ", which is not taken here");
    const auto host = out.find("host");
    if (host == out.end() || host->second.find_first_of(",/@") != std::string::npos)
        return refuse("names no host, or more than one; sockets of this machine are not taken");
    return out;
}

core::Status judge_host(const courier::AddressRules& rules, ConninfoOptions& options) {
    auto address = courier::resolve_host(rules, options.at("host"));
    if (!address) return core::fail(std::move(address.error()));
    options["hostaddr"] = *address;
    return {};
}

PGconn* begin_connection(const ConninfoOptions& options, std::int64_t connect_ms,
                         const std::string& startup) {
    ConninfoOptions all = options;
    all["connect_timeout"] = std::to_string(connect_ms / 1000);
    if (!startup.empty()) all["options"] = startup;
    all.try_emplace("application_name", "millrace");
    all["client_encoding"] = "UTF8";
    // libpq would look into a home folder.
    if (const auto mode = all.find("sslmode");
        mode != all.end() && mode->second.starts_with("verify-"))
        all.try_emplace("sslrootcert", kTrustedHere);
    std::vector<const char*> names, values;
    for (const auto& [name, value] : all) {
        names.push_back(name.c_str());
        values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    return PQconnectStartParams(names.data(), values.data(), 0);
}

}  // namespace millrace::runtime
