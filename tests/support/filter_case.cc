#include "tests/support/filter_case.h"

#include "core/json_writer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace millrace::testing {
namespace {

[[noreturn]] void give_up(const std::string& file, int line, const char* why) {
    std::fprintf(stderr, "%s:%d: %s\n", file.c_str(), line, why);
    std::abort();
}

std::string quoted(const std::string& text) {
    std::string out = "\"";
    core::append_json_escaped(out, text);
    return out + "\"";
}

std::string subscription_of(const std::string& word, const std::string& rest) {
    if (word == "sub") return rest;
    if (word == "map" || word == "list") return "{\"filters\":" + rest + "}";
    if (word == "ruler") return "{\"form\":\"event-pattern\",\"filters\":" + rest + "}";
    if (word == "expr") return "{\"filter\":" + quoted(rest) + "}";
    return {};
}

void read_line(const std::string& line, int number, std::vector<FilterCase>& out,
               const std::string& file) {
    const std::size_t space = std::min(line.find(' '), line.size());
    const std::string word = line.substr(0, space);
    const std::string rest = line.substr(std::min(space + 1, line.size()));
    if (word == "==") {
        FilterCase next;
        next.name = rest;
        next.file = file;
        next.line = number;
        out.push_back(std::move(next));
        return;
    }
    if (out.empty()) give_up(file, number, "expected a line == NAME first");
    FilterCase& current = out.back();
    if (word == "error") {
        const std::size_t gap = std::min(rest.find(' '), rest.size());
        current.refused = true;
        current.error_field = rest.substr(0, gap);
        current.error_text = rest.substr(std::min(gap + 1, rest.size()));
    } else if (word == "yes" || word == "no" || word == "yes!" || word == "no!") {
        const std::string event =
            word.back() == '!' ? rest : "{\"pattern\":\"test.event\",\"payload\":" + rest + "}";
        current.probes.push_back({event, word[0] == 'y', number});
    } else {
        current.subscription = subscription_of(word, rest);
        if (current.subscription.empty()) give_up(file, number, "unknown word");
    }
}

}  // namespace

std::vector<FilterCase> load_filter_cases() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(MILLRACE_SOURCE_DIR "/tests/data/filter")) {
        if (entry.path().extension() == ".case") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    std::vector<FilterCase> out;
    for (const auto& path : files) {
        std::ifstream in(path);
        std::string line;
        for (int number = 1; std::getline(in, line); ++number) {
            if (!line.empty() && line[0] != '#')
                read_line(line, number, out, path.filename().string());
        }
    }
    return out;
}

}  // namespace millrace::testing
