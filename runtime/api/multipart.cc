#include "runtime/api/multipart.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime::api {
namespace {

constexpr std::string_view kFormLineEnd = "\r\n";
constexpr std::size_t kBoundaryBytesMax = 70;

core::Error bad_form(std::string_view what) {
    return core::Error(core::ErrorCode::kValidation, "body: a form that " + std::string(what))
        .in("body");
}

char lower_letter(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_word(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower_letter(x) == lower_letter(y); });
}

void skip_blanks(std::string_view& text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

std::string_view without_blanks(std::string_view text) {
    skip_blanks(text);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// A parameter's value, quoted or not, and what stands before the next ';' is taken from `text`.
std::string take_parameter(std::string_view& text) {
    std::string out;
    if (!text.starts_with('"')) {
        const std::string_view word = text.substr(0, text.find(';'));
        text.remove_prefix(word.size());
        return std::string(without_blanks(word));
    }
    text.remove_prefix(1);
    while (!text.empty() && text.front() != '"') {
        const bool escaped =
            text.size() > 1 && text.front() == '\\' && (text[1] == '"' || text[1] == '\\');
        if (escaped) text.remove_prefix(1);
        out += text.front();
        text.remove_prefix(1);
    }
    text.remove_prefix(std::min(text.size(), text.find(';')));
    return out;
}

// Of `VALUE; name="x"; filename="y"`; none: it is not there.
std::optional<std::string> header_parameter(std::string_view header, std::string_view wanted) {
    header.remove_prefix(std::min(header.size(), header.find(';')));
    while (header.starts_with(';')) {
        header.remove_prefix(1);
        const std::size_t equals = header.find_first_of("=;");
        if (equals == std::string_view::npos) break;
        const std::string_view name = without_blanks(header.substr(0, equals));
        header.remove_prefix(equals);
        if (!header.starts_with('=')) continue;
        header.remove_prefix(1);
        skip_blanks(header);
        std::string value = take_parameter(header);
        if (same_word(name, wanted)) return value;
    }
    return std::nullopt;
}

// Browsers write a quote and the ends of lines in a name so.
std::string unescaped_name(std::string name) {
    constexpr std::pair<std::string_view, char> kEscapes[] = {
        {"%22", '"'}, {"%0D", '\r'}, {"%0A", '\n'}};
    std::string out;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const auto known =
            std::find_if(std::begin(kEscapes), std::end(kEscapes), [&](const auto& escape) {
                return same_word(std::string_view(name).substr(i, escape.first.size()),
                                 escape.first);
            });
        if (known == std::end(kEscapes)) {
            out += name[i];
            continue;
        }
        out += known->second;
        i += known->first.size() - 1;
    }
    return out;
}

core::Status read_part_head(std::string_view head, FormPart& part) {
    bool named = false;
    while (!head.empty()) {
        const std::string_view line = head.substr(0, head.find(kFormLineEnd));
        head.remove_prefix(std::min(head.size(), line.size() + kFormLineEnd.size()));
        const std::string_view name = line.substr(0, line.find(':'));
        if (name.size() == line.size())
            return core::fail(bad_form("has a line without \":\" in a head"));
        const std::string_view value = without_blanks(line.substr(name.size() + 1));
        if (same_word(name, "Content-Type")) part.content_type = value;
        if (!same_word(name, "Content-Disposition")) continue;
        auto field = header_parameter(value, "name");
        if (!field) break;
        named = true;
        part.name = unescaped_name(std::move(*field));
        if (auto file = header_parameter(value, "filename"))
            part.file_name = unescaped_name(std::move(*file));
    }
    if (named) return {};
    return core::fail(bad_form("has a part without Content-Disposition: form-data; name=..."));
}

}  // namespace

core::Result<std::vector<FormPart>> read_form_parts(std::string_view content_type,
                                                    std::string_view body) {
    const auto boundary = header_parameter(content_type, "boundary");
    if (!boundary || boundary->empty() || boundary->size() > kBoundaryBytesMax) {
        return core::fail(core::Error(core::ErrorCode::kValidation,
                                      "Content-Type: multipart/form-data names no boundary of 1 to "
                                      "70 bytes")
                              .in("Content-Type")
                              .bound(kBoundaryBytesMax));
    }
    const std::string mark = std::string(kFormLineEnd) + "--" + *boundary;
    // What stands before the first mark is nobody's.
    const std::string_view first = std::string_view(mark).substr(kFormLineEnd.size());
    if (body.starts_with(first)) {
        body.remove_prefix(first.size());
    } else {
        const std::size_t at = body.find(mark);
        if (at == std::string_view::npos)
            return core::fail(bad_form("does not begin with its boundary"));
        body.remove_prefix(at + mark.size());
    }
    std::vector<FormPart> parts;
    while (!body.starts_with("--")) {
        skip_blanks(body);
        if (!body.starts_with(kFormLineEnd))
            return core::fail(bad_form("goes on behind its boundary"));
        if (parts.size() == kFormPartsMax) {
            return core::fail(bad_form("has more than " + std::to_string(kFormPartsMax) + " parts")
                                  .bound(kFormPartsMax));
        }
        // From the end of the mark's line: a head may be empty.
        const std::size_t head_end = body.substr(0, kFormPartHeadBytesMax).find("\r\n\r\n");
        if (head_end == std::string_view::npos)
            return core::fail(bad_form("has a part whose head does not end"));
        FormPart& part = parts.emplace_back();
        const std::size_t head_at = std::min(kFormLineEnd.size(), head_end);
        if (auto read = read_part_head(body.substr(head_at, head_end - head_at), part); !read)
            return core::fail(std::move(read.error()));
        body.remove_prefix(head_end + 2 * kFormLineEnd.size());
        const std::size_t end = body.find(mark);
        if (end == std::string_view::npos)
            return core::fail(bad_form("does not end with its boundary"));
        part.content = body.substr(0, end);
        body.remove_prefix(end + mark.size());
    }
    return parts;
}

}  // namespace millrace::runtime::api
