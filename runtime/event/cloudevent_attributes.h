// What: the attributes of one CloudEvent on its way to an envelope: gathered from JSON members or
//       headers, checked, and told by their place in what was sent where they are wrong.
// Threads: values. Lifetime: tokens point into the text or the caller's strings.
// Limits: those of the envelope, checked by the parser that reads the result.
// Failure: kValidation errors that name the attribute.
#pragma once

#include "core/result.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime {

struct CloudEventAttributes {
    enum Known : std::size_t {
        kSpecVersion,
        kId,
        kSource,
        kType,
        kTime,
        kSubject,
        kDataContentType,
        kDataSchema,
        kPartitionKey,
        kCorrelationId,
        kCausationId,
        kContextType,
        kContextId,
        kPriority,
        kScheduledAt,
        kXMembers,
        kData,
        kDataBase64,
        kCount,
    };
    static constexpr std::array<std::string_view, kCount> kNames = {"specversion",
                                                                    "id",
                                                                    "source",
                                                                    "type",
                                                                    "time",
                                                                    "subject",
                                                                    "datacontenttype",
                                                                    "dataschema",
                                                                    "partitionkey",
                                                                    "correlationid",
                                                                    "causationid",
                                                                    "contexttype",
                                                                    "contextid",
                                                                    "priority",
                                                                    "scheduledat",
                                                                    "xmembers",
                                                                    "data",
                                                                    "data_base64"};

    // `text`: what was sent, for places; tokens that lie elsewhere have none.
    explicit CloudEventAttributes(std::string_view text) : text_(text) {}

    // Sorts one attribute, a JSON token, to its place. null counts as absent.
    core::Status take(std::string_view name, std::string_view token);
    // When all are there.
    core::Status check();

    std::string_view at(Known which) const { return known_[which]; }
    std::string_view& at(Known which) { return known_[which]; }
    struct Extension {
        std::string name;
        std::string_view token;
    };
    const std::vector<Extension>& extensions() const { return extensions_; }

    tl::unexpected<core::Error> refuse(std::string_view attribute, std::string_view what,
                                       std::string_view token = {}) const;

private:
    core::Status check_base64() const;
    void keep_as_extension(Known which);

    std::string_view text_;
    std::array<std::string_view, kCount> known_{};
    std::vector<Extension> extensions_;
};

bool is_attribute_name(std::string_view name);  // a-z and 0-9
bool is_known_attribute(std::string_view name);
std::string_view media_type(std::string_view content_type);  // without parameters

// The text of a JSON string token, escapes resolved.
std::string string_of(std::string_view token);

bool is_int32(std::string_view token);
// What an extension's value may be.
bool is_extension_value(std::string_view token);

// The members of an envelope that no attribute stands for ("x-team") travel as one extension,
// "xmembers", a string that holds the object of them. Those that can also be read as an extension
// each have a twin by this name: "xteam". Empty when the name allows none.
std::string twin_name(std::string_view member);

}  // namespace millrace::runtime
