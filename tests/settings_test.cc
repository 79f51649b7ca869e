// Goal: every setting is read by the part that it is for, and every setting that a message or a
// page of documentation names exists.
// Method: the list of keys beside the sources and pages under MILLRACE_SOURCE_DIR. Code reads a key
// by the name of its member (ConfigKey::part), the variable being called as its section is.
#include "core/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;
using millrace::core::config_keys;
using millrace::core::ConfigKey;

const fs::path kRoot = MILLRACE_SOURCE_DIR;

std::string read(const fs::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<fs::path> files_of(std::initializer_list<const char*> folders,
                               std::initializer_list<std::string_view> endings) {
    std::vector<fs::path> files;
    for (const char* folder : folders) {
        for (auto it = fs::recursive_directory_iterator(kRoot / folder);
             it != fs::recursive_directory_iterator(); ++it) {
            const fs::directory_entry& entry = *it;
            // What the console is built from beside our own files speaks of other settings.
            if (entry.path().filename() == "node_modules") {
                it.disable_recursion_pending();
                continue;
            }
            const std::string name = entry.path().string();
            const bool wanted = std::any_of(endings.begin(), endings.end(),
                                            [&](std::string_view e) { return name.ends_with(e); });
            if (entry.is_regular_file() && wanted) files.push_back(entry.path());
        }
    }
    return files;
}

struct Split {
    std::string code;                   // without comments and what stands in quotes
    std::vector<std::string> literals;  // neighbours joined, as the compiler does
};

// Good enough for our own sources: raw strings count as code.
Split split(const std::string& text) {
    Split out;
    bool joins = false;  // only blanks since the last literal
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.compare(i, 2, "//") == 0) {
            i = std::min(text.find('\n', i), text.size()) - 1;
        } else if (text.compare(i, 8, "#include") == 0) {
            i = std::min(text.find('\n', i), text.size()) - 1;
        } else if (text[i] == '\'' && i + 2 < text.size() && text[i + 2] == '\'') {
            i += 2;
            joins = false;
        } else if (text.compare(i, 2, "R\"") == 0) {
            const std::size_t open = std::min(text.find('(', i), text.size() - 1);
            const std::string close = ")" + text.substr(i + 2, open - i - 2) + "\"";
            const std::size_t end = std::min(text.find(close, open), text.size() - close.size());
            out.code += text.substr(i, end + close.size() - i);
            i = end + close.size() - 1;
            joins = false;
        } else if (text[i] == '"') {
            std::string literal;
            for (++i; i < text.size() && text[i] != '"'; ++i) {
                literal += text[i] == '\\' ? ' ' : text[i];
                if (text[i] == '\\') ++i;
            }
            if (joins)
                out.literals.back() += literal;
            else
                out.literals.push_back(literal);
            joins = true;
        } else {
            joins = joins && (text[i] == ' ' || text[i] == '\n');
            out.code += text[i];
        }
    }
    return out;
}

bool has_word(const std::string& text, std::string_view word) {
    const auto part_of_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        if ((at == 0 || !part_of_word(text[at - 1])) &&
            (end == text.size() || !part_of_word(text[end])))
            return true;
    }
    return false;
}

std::set<std::string> known_keys() {
    std::set<std::string> names;
    for (const ConfigKey& key : config_keys()) names.emplace(key.name);
    return names;
}

// "section.key" with a section that is known, not as a part of a longer path.
std::vector<std::string> settings_named(const std::string& text) {
    std::set<std::string> sections;
    for (const ConfigKey& key : config_keys()) sections.emplace(key.section());
    static const std::regex kName(
        "(^|[^A-Za-z0-9_./$-])([a-z]+(?:\\.(?:webhook|command))?|http_client)\\."
        "([a-z][a-z0-9_]*)(?![A-Za-z0-9(])");
    std::vector<std::string> names;
    for (auto it = std::sregex_iterator(text.begin(), text.end(), kName);
         it != std::sregex_iterator(); ++it) {
        if (sections.contains((*it)[2].str()))
            names.push_back((*it)[2].str() + "." + (*it)[3].str());
    }
    return names;
}

// What looks like a setting and is none: members of answers, calls of scripts, files.
bool is_no_setting(const std::string& name) {
    static const std::set<std::string> kNames = {
        "events.processed",  // members of /v2/stats
        "events.received",
        "events.completed",
        "events.failed",
        "events.unmatched",
        "events.dropped",
        "log.debug",     // sdk.log.debug
        "secrets.key",   // a file in the data folder
        "http.get",      // sdk.http.get
        "http.all",      // sdk.http.all
        "http.respond",  // sdk.http.respond
        "store.bytes",   // members of /v2/stats
        "memory.level",
        "matcher.subscriptions",
        "matcher.paths",
        // Properties of librdkafka.
        "socket.keepalive",
        "socket.connection",
        "socket.timeout",
    };
    static const std::set<std::string> kEndings = {"h", "cc", "lua", "md", "py", "ndjson", "toml"};
    return kNames.contains(name) || kEndings.contains(name.substr(name.find('.') + 1));
}

TEST(Settings, EachIsReadByItsPart) {
    std::string code;
    for (const fs::path& path : files_of({"runtime/server", "runtime/node"}, {".cc", ".h"}))
        code += split(read(path)).code;
    code += split(read(kRoot / "tools/serve_command.cc")).code;
    for (const ConfigKey& key : config_keys()) {
        EXPECT_TRUE(has_word(code, key.part))
            << key.name << ": nobody reads it (" << key.part
            << "); let its part read it, or take it out of core/config_keys.cc";
    }
}

TEST(Settings, TheMemberIsCalledAsTheKey) {
    for (const ConfigKey& key : config_keys()) {
        const bool same = key.part == key.name || key.part == std::string(key.name) + "_us" ||
                          key.part == std::string(key.name) + "_path";
        EXPECT_TRUE(same) << key.name << " beside " << key.part;
    }
}

TEST(Settings, MessagesNameOnlyThoseThatExist) {
    const std::set<std::string> known = known_keys();
    for (const fs::path& path :
         files_of({"core", "io", "matcher", "store", "runtime", "tools"}, {".cc", ".h"})) {
        if (path.filename() == "config_keys.cc") continue;  // names the members too
        for (const std::string& literal : split(read(path)).literals) {
            for (const std::string& name : settings_named(literal)) {
                EXPECT_TRUE(known.contains(name) || is_no_setting(name))
                    << path.lexically_relative(kRoot).string() << ": \"" << literal << "\" names "
                    << name << ", which is no setting";
            }
        }
    }
}

TEST(Settings, PagesNameOnlyThoseThatExist) {
    static const std::regex kQuoted("`([^`\n]+)`");
    const std::set<std::string> known = known_keys();
    std::vector<fs::path> pages =
        files_of({"core", "io", "matcher", "store", "runtime", "tools", "bench", "tests"}, {".md"});
    for (const char* name : {"README.md", "ARCHITECTURE.md"}) pages.push_back(kRoot / name);
    for (const fs::path& path : pages) {
        const std::string text = read(path);
        for (auto it = std::sregex_iterator(text.begin(), text.end(), kQuoted);
             it != std::sregex_iterator(); ++it) {
            for (const std::string& name : settings_named((*it)[1].str())) {
                EXPECT_TRUE(known.contains(name) || is_no_setting(name))
                    << path.lexically_relative(kRoot).string() << " names " << name
                    << ", which is no setting";
            }
        }
    }
}

}  // namespace
