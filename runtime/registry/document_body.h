// What: what the bodies of all kinds of documents have in common: the rules for ids and names, the
//       members that the server makes, merge patches, If-Match.
// Threads: pure functions. Lifetime: values.
// Limits: kResourceIdBytesMax, kResourceNameBytesMax.
// Failure: kValidation errors that name the member; kConflict for an If-Match of another version.
#pragma once

#include "core/json_reader.h"
#include "core/json_writer.h"
#include "core/random.h"
#include "core/result.h"
#include "runtime/registry/registry_types.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace millrace::runtime {

bool is_resource_id(std::string_view id);

// `id` and `name`; each stays as it is when the body has none.
void read_document_names(core::JsonObject& in, std::string& id, std::string& name);

// Marks what the server makes (version, createdAt, ...) as known: rows hold it.
void read_over_server_members(core::JsonObject& in);
// A client may say it only as it is (a document that was read, edited and sent back).
core::Status refuse_server_members(std::string_view body, std::string_view shown);

// version, createdAt and updatedAt: where every document ends.
void append_document_times(core::JsonWriter& json, std::uint32_t version,
                           std::int64_t created_at_us, std::int64_t updated_at_us);

// The raw text of a member; empty when it is absent or null.
std::string member_text(core::JsonObject& in, std::string_view name);

// `patch` laid over what is shown (RFC 7386); members of `whole` ("config.filter") are taken as
// they are given.
core::Result<std::string> merge_document(std::string_view shown, std::string_view patch,
                                         std::span<const std::string_view> whole);

// A patch that takes away what is not there has a word wrong, or means what is never shown (a
// secret's value) and stays: refused by name. What is wrong with a body of this kind is said by
// `read`, beside what is kept of the document without being shown, and by `read_alone`. Looks at
// the first kNullsLookedAt of them.
inline constexpr std::size_t kNullsLookedAt = 32;
core::Status refuse_absent_nulls(std::string_view shown, std::string_view patch,
                                 std::string_view merged, std::span<const std::string_view> whole,
                                 const std::function<core::Status(std::string_view)>& read,
                                 const std::function<core::Status(std::string_view)>& read_alone);

// `if_match` as the header says it: "*", or tags with commas between them; empty: no condition.
core::Status check_precondition(std::string_view if_match, std::string_view etag);

std::string make_document_id(std::string_view prefix, core::Random& random);

}  // namespace millrace::runtime
