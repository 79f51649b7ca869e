// Goal: a head that is taken means one thing: what the views say is what stands in the bytes, and a
// body has one framing. Bytes are scanned whole and piece by piece; both must agree.
#include "io/http_chunked.h"
#include "io/http_head.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace millrace;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

bool inside(std::string_view part, std::string_view whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

void check_head(std::string_view text) {
    const io::HeadScanner::Limits limits{100, 500, 10};
    io::HeadScanner whole, pieces;
    const auto outcome = whole.scan(text, limits);
    auto step = io::HeadScanner::Outcome::kIncomplete;
    for (std::size_t i = 1; i <= text.size() && step == io::HeadScanner::Outcome::kIncomplete;
         ++i) {
        step = pieces.scan(text.substr(0, i), limits);
    }
    using Outcome = io::HeadScanner::Outcome;
    require((outcome == Outcome::kComplete) == (step == Outcome::kComplete));
    require((outcome == Outcome::kIncomplete) == (step == Outcome::kIncomplete));
    if (outcome != Outcome::kComplete) return;
    require(whole.head_bytes() == pieces.head_bytes());
    const std::string_view head = text.substr(0, whole.head_bytes());
    io::ParsedHead parsed;
    if (!io::parse_head(head, parsed)) return;
    require(!(parsed.chunked && parsed.has_length));
    require(inside(parsed.target, head) && inside(parsed.query, head) &&
            inside(parsed.content_type, head));
    require(!parsed.path.empty());
    for (std::size_t i = 0; i < parsed.header_count; ++i) {
        require(inside(parsed.headers[i].name, head) && inside(parsed.headers[i].value, head));
        require(!parsed.headers[i].name.empty());
        require(parsed.headers[i].value.find_first_of(std::string_view("\r\n\0", 3)) ==
                std::string_view::npos);
    }
}

void check_chunks(std::string_view text) {
    io::ChunkedDecoder whole, pieces;
    whole.reset(1000, 60);
    pieces.reset(1000, 60);
    const auto drain = [](io::ChunkedDecoder& decoder, std::string_view input, std::string& body) {
        std::string_view data;
        auto outcome = io::ChunkedDecoder::Outcome::kData;
        while (outcome == io::ChunkedDecoder::Outcome::kData) {
            data = {};
            outcome = decoder.take(input, data);
            body += data;
        }
        return outcome;
    };
    std::string body_whole, body_pieces;
    const auto outcome = drain(whole, text, body_whole);
    auto step = io::ChunkedDecoder::Outcome::kNeedMore;
    for (std::size_t i = 0; i < text.size() && step == io::ChunkedDecoder::Outcome::kNeedMore;
         ++i) {
        step = drain(pieces, text.substr(i, 1), body_pieces);
    }
    require(outcome == step && body_whole == body_pieces && body_whole.size() <= 1000);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    check_head(text);
    check_chunks(text);
    const std::size_t body = text.find("\r\n\r\n");
    if (body != std::string_view::npos) check_chunks(text.substr(body + 4));
    return 0;
}
