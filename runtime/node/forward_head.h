// What: the head of a request as it goes on to a partition: what concerned the client's connection
//       stays behind, and so does whatever a client says that only a front may say.
// Threads: pure. Lifetime: values. Limits: none. Failure: none.
#pragma once

#include "io/http_types.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::runtime::node {

inline constexpr std::string_view kPartitionHeader = "Millrace-Partition";
// From a partition's process to its own node: pass it on, wherever the owner is.
inline constexpr std::string_view kRelayHeader = "Millrace-Relay";
// Of a list or a stream: with the places of what is in it (runtime/api/list_places.h).
inline constexpr std::string_view kPlacesHeader = "Millrace-Places";

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// Of a request that came in, those that may go on.
HeaderList kept_headers(std::span<const io::HeaderField> headers, bool keeps_upgrade);
// Of those, what an Authenticator looks at.
HeaderList credentials_of(const HeaderList& headers);
// Of an answer on its way to the client.
bool is_for_client(std::string_view name);

struct ForwardHead {
    io::Method method = io::Method::kGet;
    std::string_view target = {};
    const HeaderList* headers = nullptr;
    std::size_t body_bytes = 0;
    bool upgrade = false;
    std::span<const std::pair<std::string_view, std::string_view>> own = {};  // a front's
};
std::string forward_head(const ForwardHead& head);

// A parameter's value, decoded; nothing: it is not there, or does not read.
std::optional<std::string> parameter_of(std::string_view target, std::string_view name);
// "?name=value" or "&name=value" at its end, escaped; nothing for an empty value.
void append_parameter(std::string& target, std::string_view name, std::string_view value);
std::string with_parameter(std::string_view target, std::string_view name, std::string_view value);
// The query without this parameter.
std::string without_parameter(std::string_view target, std::string_view name);

}  // namespace millrace::runtime::node
