// What: an expression in the language of filters, asked of one event at a time: what a rule
//       asserts. It may compare two members ($.total >= $.net), which a subscription's filter may
//       not: an index can do nothing with that.
// Threads: any at once; regular expressions take turns.
// Lifetime: owns everything. Limits: those of filters; kComparisonsMax comparisons of two members.
// Failure: compile() says place and reason.
//
// Two members compare as numbers or as texts do; those of other kinds are only equal or not. One
// that is not there makes the comparison false. Where a path passes arrays, some pair of values has
// to fit; beside a comparison of two members no other condition binds its elements either.
#pragma once

#include "core/event.h"
#include "core/json_dom.h"
#include "core/json_place.h"
#include "core/result.h"
#include "matcher/filter/dialects.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::runtime::schema {

inline constexpr std::size_t kComparisonsMax = 16;

// A scalar of an event: of a number its digits, of a string its text.
struct EventScalar {
    core::JsonType type = core::JsonType::kNull;
    std::string_view text;
};

// Of the payload, or a text member of the envelope; those in arrays too. False: the path leads
// elsewhere.
bool is_plain_path(const matcher::Path& path);
void collect_scalars(const core::Envelope& envelope, core::JsonElement payload,
                     const matcher::Path& path, std::vector<EventScalar>& out);

// The same of a payload among its tokens, where the path leads by names alone and there is no array
// on its way. kAsk: it may be otherwise.
enum class ScalarFound : std::uint8_t { kThere, kNothing, kAsk };
ScalarFound find_scalar(const core::Envelope& envelope, const core::JsonPlace& payload,
                        const matcher::Path& path, EventScalar& out);

class Assertion {
public:
    static core::Result<Assertion> compile(std::string_view expression);
    Assertion(Assertion&&) noexcept;
    Assertion& operator=(Assertion&&) noexcept;
    ~Assertion();

    // `payload`: the envelope's, parsed.
    bool holds(const core::Envelope& envelope, core::JsonElement payload) const;

private:
    struct Impl;
    explicit Assertion(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::runtime::schema
