#include "runtime/executors/webhook_answer.h"

#include "core/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace millrace::runtime {
namespace {

// A reader needs no more, and no sum overflows: the delivery's policy bounds it further.
constexpr std::int64_t kRetryAfterSecondsMax = 30LL * 86'400;

bool parse_http_date(std::string_view text, std::int64_t& seconds) {
    // Sun, 06 Nov 1994 08:49:37 GMT
    constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (text.size() != 29 || text.substr(25) != " GMT") return false;
    const auto number = [&](std::size_t at, std::size_t count, int& out) {
        const auto end = std::from_chars(text.data() + at, text.data() + at + count, out);
        return end.ec == std::errc() && end.ptr == text.data() + at + count;
    };
    std::tm time{};
    const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
    if (month == kMonths.end() || !number(5, 2, time.tm_mday) || !number(12, 4, time.tm_year) ||
        !number(17, 2, time.tm_hour) || !number(20, 2, time.tm_min) || !number(23, 2, time.tm_sec))
        return false;
    time.tm_mon = static_cast<int>(month - kMonths.begin());
    time.tm_year -= 1900;
    seconds = timegm(&time);
    return true;
}

std::string shown(const courier::HttpAnswer& answer) {
    std::string out;
    core::JsonWriter json(out);
    json.begin_object().field("status", answer.status);
    const std::string_view type = answer.header("content-type");
    if (!type.empty()) json.field("contentType", type.substr(0, 256));
    json.field("body", std::string_view(answer.body).substr(0, kAnswerBytesKept)).end_object();
    return out;
}

std::string told(const courier::HttpAnswer& answer) {
    std::string out = "HTTP " + std::to_string(answer.status);
    if (!answer.body.empty())
        out.append(": ").append(std::string_view(answer.body).substr(0, kAnswerBytesKept));
    return out;
}

}  // namespace

std::int64_t retry_after_ms(std::string_view header, std::int64_t now_us) {
    while (header.starts_with(' ')) header.remove_prefix(1);
    while (header.ends_with(' ')) header.remove_suffix(1);
    if (header.empty()) return 0;
    std::int64_t seconds = 0;
    const bool digits =
        std::all_of(header.begin(), header.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits) {
        const auto end = std::from_chars(header.data(), header.data() + header.size(), seconds);
        if (end.ec != std::errc()) seconds = kRetryAfterSecondsMax;
    } else if (parse_http_date(header, seconds)) {
        seconds -= now_us / 1'000'000;
    }
    return std::clamp<std::int64_t>(seconds, 0, kRetryAfterSecondsMax) * 1000;
}

void judge_answer(const courier::HttpAnswer& answer, std::uint32_t silent, std::int64_t now_us,
                  AttemptResult& result) {
    if (answer.fault != courier::HttpFault::kNone) {
        result.fail(std::string(courier::http_fault_text(answer.fault)) + ": " + answer.message);
        if (answer.fault == courier::HttpFault::kTimeout) result.outcome_text = "timeout";
        return;
    }
    result.result_json = shown(answer);
    if (answer.header("webhook-delivery") == "abort-message")
        return result.fail("the receiver wants no more of this message; " + told(answer),
                           AttemptOutcome::kFatal);
    if (answer.status >= 200 && answer.status < 300) {
        result.outcome = AttemptOutcome::kOk;
        result.outcome_text = "completed";
        return;
    }
    if (answer.status == 410) {
        result.fail("the receiver is gone, the subscription is paused; " + told(answer),
                    AttemptOutcome::kFatal);
        result.pauses = true;
        return;
    }
    if (answer.status == 429 || answer.status == 503)
        result.retry_after_ms = retry_after_ms(answer.header("retry-after"), now_us);
    const bool uncounted = answer.status == 429 && silent < kTooManyRequestsSilentMax;
    result.fail(told(answer), uncounted ? AttemptOutcome::kSilent : AttemptOutcome::kFailed);
}

}  // namespace millrace::runtime
