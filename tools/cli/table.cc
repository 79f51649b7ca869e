#include "tools/cli/table.h"

#include "tools/cli/json.h"

#include <algorithm>
#include <cstdlib>

#include <sys/ioctl.h>
#include <unistd.h>

namespace millrace::tools {

namespace {

constexpr std::string_view kGap = "  ";
constexpr std::size_t kLastColumnMin = 12;
constexpr std::size_t kWidthWhenUnknown = 80;

std::string_view escape_code(Style style) {
    switch (style) {
        case Style::kGood: return "\x1b[32m";
        case Style::kWarn: return "\x1b[33m";
        case Style::kBad: return "\x1b[31m";
        case Style::kDim: return "\x1b[2m";
        case Style::kHead: return "\x1b[1m";
        case Style::kPlain: break;
    }
    return {};
}

bool starts_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

}  // namespace

Terminal standard_output_terminal() {
    Terminal terminal;
    if (isatty(STDOUT_FILENO) == 0) return terminal;
    const char* no_colour = std::getenv("NO_COLOR");
    const char* kind = std::getenv("TERM");
    terminal.colour = (no_colour == nullptr || *no_colour == '\0') &&
                      (kind == nullptr || std::string_view(kind) != "dumb");
    winsize size{};
    terminal.width_columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0
                                 ? size.ws_col
                                 : kWidthWhenUnknown;
    return terminal;
}

std::string styled(std::string_view text, Style style, const Terminal& terminal) {
    const std::string_view code = escape_code(style);
    if (!terminal.colour || code.empty()) return std::string(text);
    return std::string(code) + std::string(text) + "\x1b[0m";
}

std::size_t display_columns(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_code_point));
}

std::string cut_to_columns(std::string_view text, std::size_t columns) {
    if (display_columns(text) <= columns) return std::string(text);
    constexpr std::string_view kDots = "...";
    const std::size_t keep = columns > kDots.size() ? columns - kDots.size() : 0;
    std::size_t seen = 0;
    std::size_t end = 0;
    while (end < text.size()) {
        if (starts_code_point(text[end]) && seen++ == keep) break;
        ++end;
    }
    return std::string(text.substr(0, end)) + std::string(kDots.substr(0, columns));
}

Style status_style(std::string_view status) {
    if (status == "completed" || status == "ok" || status == "ready" || status == "done" ||
        status == "running") {
        return Style::kGood;
    }
    if (status == "retrying" || status == "waiting" || status == "cancelled") return Style::kWarn;
    if (status == "failed" || status == "dead") return Style::kBad;
    return Style::kPlain;
}

void Table::add(std::vector<Cell> row) {
    row.resize(titles_.size(), Cell(""));
    std::vector<std::vector<std::string>> texts;
    std::size_t lines = 1;
    for (const Cell& cell : row) {
        texts.push_back(printable_lines(cell.text));
        lines = std::max(lines, texts.back().size());
    }
    ++count_;
    for (std::size_t line = 0; line < lines; ++line) {
        for (std::size_t c = 0; c < row.size(); ++c)
            row[c].text = line < texts[c].size() ? std::move(texts[c][line]) : std::string();
        rows_.push_back(row);
    }
}

void Table::print(std::ostream& out, const Terminal& terminal) const {
    std::vector<std::size_t> widths;
    for (std::size_t c = 0; c < titles_.size(); ++c) {
        std::size_t width = display_columns(titles_[c]);
        for (const auto& row : rows_) width = std::max(width, display_columns(row[c].text));
        widths.push_back(width);
    }
    if (terminal.width_columns > 0 && !widths.empty()) {
        std::size_t before = 0;
        for (std::size_t c = 0; c + 1 < widths.size(); ++c) before += widths[c] + kGap.size();
        const std::size_t room =
            terminal.width_columns > before ? terminal.width_columns - before : 0;
        widths.back() = std::min(widths.back(), std::max(room, kLastColumnMin));
    }
    const auto line = [&](const auto& text_of, const auto& style_of) {
        for (std::size_t c = 0; c < widths.size(); ++c) {
            const std::string text = cut_to_columns(text_of(c), widths[c]);
            const bool last = c + 1 == widths.size();
            out << styled(text, style_of(c), terminal);
            if (!last) out << std::string(widths[c] - display_columns(text), ' ') << kGap;
        }
        out << '\n';
    };
    line([&](std::size_t c) { return std::string_view(titles_[c]); },
         [](std::size_t) { return Style::kHead; });
    for (const auto& row : rows_) {
        line([&](std::size_t c) { return std::string_view(row[c].text); },
             [&](std::size_t c) { return row[c].style; });
    }
}

}  // namespace millrace::tools
