// Goal: no header of a webhook makes its reader go astray: what is read are views of what came, in
// bounds, and nothing is believed that was not signed.
#include "runtime/inbound/hook_event.h"
#include "runtime/inbound/signature.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

using namespace millrace;
using namespace millrace::runtime::inbound;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

// The first line is the signature's header, the second the time, the third the id; the rest is the
// body.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string_view all = text;
    const auto line = [&] {
        const std::string_view out = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), out.size() + 1));
        return out;
    };
    const std::string_view value = line(), time = line(), id = line();
    const HmacForm form{"x-signature", "p=", "{timestamp}.{body}", Encoding::kHex, "x-time"};
    const std::vector<io::HeaderField> headers = {{"X-Hub-Signature-256", value},
                                                  {"Stripe-Signature", value},
                                                  {"webhook-signature", value},
                                                  {"X-Slack-Signature", value},
                                                  {"x-signature", value},
                                                  {"X-Slack-Request-Timestamp", time},
                                                  {"webhook-timestamp", time},
                                                  {"x-time", time},
                                                  {"webhook-id", id},
                                                  {"X-GitHub-Event", id}};
    const std::string_view secrets[] = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
    for (const auto& [name, scheme] : kSchemes) {
        const SignatureRules rules{.scheme = scheme, .form = &form};
        Claims claims;
        if (read_claims(rules, headers, claims).empty()) {
            require(claims.signature_count <= kSignaturesMax);
            for (std::size_t i = 0; i < claims.signature_count; ++i) {
                const std::string_view one = claims.signatures[i];
                require(one.data() >= all.data() &&
                        one.data() + one.size() <= all.data() + all.size());
            }
        }
        const Incoming request{.headers = headers, .content_type = time, .body = text};
        (void)verify(rules, secrets, request, 1'600'000'000'000'000);
        HookEvent event;
        EventForm shape;
        shape.source_id = "s";
        shape.scheme = scheme;
        (void)make_hook_event(shape, request, event);
    }
    return 0;
}
