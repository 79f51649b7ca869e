#include "tools/help/help_files.h"

#include "core/crypto/digest.h"
#include "core/hex.h"
#include "tools/help/help_command.h"

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::tools {

namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::size_t kTagBytes = 10;

// "# Events\n..." -> "Events"
std::string_view title_of(std::string_view page) {
    std::string_view line = page.substr(0, page.find('\n'));
    while (line.starts_with('#') || line.starts_with(' ')) line.remove_prefix(1);
    return line;
}

std::string tag_of(std::string_view text) {
    const core::crypto::Digest digest = core::crypto::sha256(text);
    std::string tag = "\"";
    core::append_hex(tag, std::span<const std::uint8_t>(digest).first(kTagBytes));
    return tag + '"';
}

// What the views of the files point into stands still in a deque.
struct Made {
    std::deque<std::string> texts{};
    std::vector<runtime::api::ConsoleFile> files{};

    std::string_view keep(std::string text) { return texts.emplace_back(std::move(text)); }
    void add(std::string path, std::string_view text) {
        files.push_back({.path = keep(std::move(path)),
                         .type = kText,
                         .etag = keep(tag_of(text)),
                         .gzip = {},
                         .plain = text});
    }
};

}  // namespace

runtime::api::ConsoleFiles help_files() {
    static const Made all = [] {
        Made made;
        std::string list;
        for (const HelpPage& page : help_pages()) {
            made.add("/console/help-" + std::string(page.topic) + ".md", page.text);
            list.append(page.topic).append("\t").append(title_of(page.text)).append("\n");
        }
        made.add("/console/help.txt", made.keep(std::move(list)));
        return made;
    }();
    return all.files;
}

}  // namespace millrace::tools
