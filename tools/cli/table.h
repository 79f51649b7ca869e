// What: a table for people: columns as wide as their content, the last one cut to the terminal's
//       width, colours only where the caller says that a terminal is looking.
// Threads: one. Lifetime: owns its cells. Limits: a cell of several lines takes as many.
// Failure: none; control characters in cells are shown as \xNN.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::tools {

enum class Style : std::uint8_t { kPlain, kGood, kWarn, kBad, kDim, kHead };

struct Terminal {
    bool colour = false;
    std::size_t width_columns = 0;  // 0: not a terminal, nothing is cut
};

// What standard output is: a terminal with or without colour (NO_COLOR), or a pipe.
Terminal standard_output_terminal();

// `text` between the style's escape codes; unchanged without colour.
std::string styled(std::string_view text, Style style, const Terminal& terminal);

struct Cell {
    std::string text;
    Style style = Style::kPlain;
    Cell(std::string value) : text(std::move(value)) {}  // NOLINT: cells are written as text
    Cell(const char* value) : text(value) {}             // NOLINT
    Cell(std::string value, Style s) : text(std::move(value)), style(s) {}
};

class Table {
public:
    explicit Table(std::vector<std::string> titles) : titles_(std::move(titles)) {}
    void add(std::vector<Cell> row);
    std::size_t row_count() const { return count_; }
    void print(std::ostream& out, const Terminal& terminal) const;

private:
    std::vector<std::string> titles_;
    std::vector<std::vector<Cell>> rows_;  // one a line of the screen
    std::size_t count_ = 0;
};

// completed, ok -> good; retrying, waiting -> warn; failed, dead -> bad.
Style status_style(std::string_view status);

// Columns that `text` takes, counting code points (good enough for names and ids).
std::size_t display_columns(std::string_view text);
std::string cut_to_columns(std::string_view text, std::size_t columns);

}  // namespace millrace::tools
