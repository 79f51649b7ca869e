// Goal: rules of the repository that no compiler checks. Each case names every place that breaks
// its rule and says what to do instead.
// Method: reads the tree under MILLRACE_SOURCE_DIR. Folders that git ignores are left out.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = MILLRACE_SOURCE_DIR;
constexpr std::size_t kFileLinesMax = 800;
constexpr std::size_t kLineColumnsMax = 100;

struct SourceFile {
    std::string path;    // from the root, with forward slashes
    std::string folder;  // first part of the path, "" for a file in the root
    std::vector<std::string> lines;
};

bool is_ignored(const fs::path& relative) {
    static const std::set<std::string> kIgnoredAtRoot = {".git", "build", "data", "third_party"};
    return kIgnoredAtRoot.contains(relative.string()) || relative.filename() == "node_modules";
}

std::vector<SourceFile> read_tree() {
    std::vector<SourceFile> files;
    for (auto it = fs::recursive_directory_iterator(kRoot);
         it != fs::recursive_directory_iterator(); ++it) {
        const fs::path relative = it->path().lexically_relative(kRoot);
        if (it->is_directory() && is_ignored(relative)) {
            it.disable_recursion_pending();
            continue;
        }
        if (!it->is_regular_file()) {
            continue;
        }
        SourceFile file;
        file.path = relative.generic_string();
        const auto slash = file.path.find('/');
        file.folder = slash == std::string::npos ? "" : file.path.substr(0, slash);
        std::ifstream stream(it->path(), std::ios::binary);
        for (std::string line; std::getline(stream, line);) {
            file.lines.push_back(std::move(line));
        }
        files.push_back(std::move(file));
    }
    std::sort(files.begin(), files.end(),
              [](const auto& left, const auto& right) { return left.path < right.path; });
    return files;
}

const std::vector<SourceFile>& tree() {
    static const std::vector<SourceFile> kTree = read_tree();
    return kTree;
}

bool is_cpp(const SourceFile& file) {
    return file.path.ends_with(".h") || file.path.ends_with(".cc");
}

// What people wrote by hand, as opposed to data for tests.
bool is_hand_written(const SourceFile& file) {
    if (file.path.starts_with("tests/data/") || file.path.find("/corpus/") != std::string::npos) {
        return false;
    }
    static const std::array<std::string_view, 9> kEndings = {
        ".h", ".cc", ".cmake", "CMakeLists.txt", ".sh", ".py", ".lua", ".js", ".json"};
    return std::any_of(kEndings.begin(), kEndings.end(),
                       [&](std::string_view ending) { return file.path.ends_with(ending); }) ||
           file.path.starts_with("tools/") || file.path.starts_with(".ci/");
}

// The folders of the product, with those each may include. tests and bench may include anything.
const std::map<std::string, std::set<std::string>>& allowed_includes() {
    static const std::map<std::string, std::set<std::string>> kAllowed = {
        {"core", {"core"}},
        {"io", {"io", "core"}},
        {"matcher", {"matcher", "core"}},
        {"store", {"store", "core"}},
        {"runtime", {"runtime", "io", "matcher", "store", "core"}},
        {"tools", {"tools", "runtime", "io", "matcher", "store", "core"}},
    };
    return kAllowed;
}

bool is_product(const SourceFile& file) { return allowed_includes().contains(file.folder); }

std::string place(const SourceFile& file, std::size_t line_index) {
    return file.path + ":" + std::to_string(line_index + 1);
}

// Calls visit(place, name, is_project_include) for each include line of a file.
template <typename Visit>
void for_each_include(const SourceFile& file, Visit visit) {
    static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
        std::smatch match;
        if (file.lines[i].find("#") != std::string::npos &&
            std::regex_search(file.lines[i], match, kInclude)) {
            visit(place(file, i), match[2].str(), match[1].str() == "\"");
        }
    }
}

}  // namespace

TEST(Tidy, IncludesFollowTheFolderOrder) {
    for (const auto& file : tree()) {
        if (!is_cpp(file) || !is_product(file)) {
            continue;
        }
        const auto& allowed = allowed_includes().at(file.folder);
        for_each_include(file, [&](const std::string& where, const std::string& name, bool ours) {
            if (!ours) {
                return;
            }
            const std::string target = name.substr(0, name.find('/'));
            EXPECT_TRUE(name.find('/') != std::string::npos)
                << where << " includes \"" << name << "\"; write the path from the root";
            EXPECT_TRUE(allowed.contains(target))
                << where << ": " << file.folder << " must not include " << target
                << " (tools -> runtime -> {io, matcher, store} -> core)";
        });
    }
}

// The rooms of runtime/, from the roof down: each may include itself and those below it.
TEST(Tidy, RuntimeRoomsIncludeDownwards) {
    const std::vector<std::string> rooms = {
        "node",     "server",    "edge",    "api",      "shard",        "replay",
        "feed",     "graphql",   "grpc",    "stream",   "orchestrator", "scheduler",
        "hub",      "crossing",  "cluster", "links",    "executors",    "lua",
        "delivery", "telemetry", "courier", "registry", "identity",     "schema",
        "inbound",  "schedule",  "entity",  "workflow", "event"};
    const auto floor_of = [&](const std::string& path) {
        const std::string room = path.substr(8, path.find('/', 8) - 8);
        return std::find(rooms.begin(), rooms.end(), room) - rooms.begin();
    };
    for (const auto& file : tree()) {
        if (!is_cpp(file) || file.folder != "runtime") {
            continue;
        }
        const auto floor = floor_of(file.path);
        EXPECT_NE(floor, static_cast<std::ptrdiff_t>(rooms.size()))
            << file.path << ": a room of runtime/ that this test does not know";
        for_each_include(
            file, [&](const std::string& where, const std::string& name, bool /*ours*/) {
                if (name.starts_with("runtime/")) {
                    EXPECT_GE(floor_of(name), floor) << where << " includes upwards: " << name;
                }
            });
    }
}

TEST(Tidy, ThirdPartyHeadersStayBehindTheirFence) {
    struct Fence {
        std::regex header;
        std::regex files;  // the only files of the product that may include it
        const char* owner;
    };
    const std::vector<Fence> fences = {
        {std::regex("^(liburing|llhttp)"), std::regex("^io/"), "io"},
        // Files that are loaded may be packed.
        {std::regex("^zlib"), std::regex("^(io/|tools/cli/line_input)"), "io and the loader"},
        {std::regex("^openssl/"), std::regex("^(core/crypto|io/tls)/"), "core/crypto and io/tls"},
        // The command line tool is a client and runs without the engine.
        {std::regex("^curl/"), std::regex("^(tools/cli|runtime/courier)/"),
         "tools/cli and runtime/courier"},
        {std::regex("^libpq"),
         std::regex("^runtime/(executors/(conninfo|database_client)|links/postgres_link)\\.cc$"),
         "runtime/executors and runtime/links/postgres_link.cc"},
        {std::regex("^nghttp2/"), std::regex("^io/http2_session\\.cc$"), "io/http2_session.cc"},
        {std::regex("^hiredis/"), std::regex("^runtime/links/redis_replies\\.cc$"),
         "runtime/links/redis_replies.cc"},
        {std::regex("^amqp"), std::regex("^runtime/links/amqp_client\\.cc$"),
         "runtime/links/amqp_client.cc"},
        {std::regex("^librdkafka/"), std::regex("^runtime/links/kafka_client\\.cc$"),
         "runtime/links/kafka_client.cc"},
        {std::regex("^(hs\\.h|hs_|hs/)"), std::regex("^matcher/"), "matcher"},
        {std::regex("^(lua|lauxlib|lualib)"), std::regex("^runtime/lua/"), "runtime/lua"},
        {std::regex("^(rocksdb/|lz4)"), std::regex("^store/"), "store"},
        {std::regex("^zstd"), std::regex("^((io|store)/|tools/cli/line_input)"),
         "io, store and the loader"},
        {std::regex("^(concurrentqueue/|moodycamel)"), std::regex("^core/"), "core"},
        {std::regex("^date/"), std::regex("^runtime/schedule/"), "runtime/schedule"},
    };
    for (const auto& file : tree()) {
        if (!is_cpp(file) || !is_product(file)) {
            continue;
        }
        for_each_include(file, [&](const std::string& where, const std::string& name, bool ours) {
            for (const auto& fence : fences) {
                EXPECT_FALSE(!ours && std::regex_search(name, fence.header) &&
                             !std::regex_search(file.path, fence.files))
                    << where << " includes <" << name << ">, which only " << fence.owner << " may";
            }
        });
    }
}

TEST(Tidy, FilesStayShortEnoughToRead) {
    // Files that were longer when the rule came, with the length they may not exceed. May only
    // shrink.
    const std::map<std::string, std::size_t> ratchet = {};
    for (const auto& file : tree()) {
        if (!is_cpp(file)) {
            continue;
        }
        const auto exception = ratchet.find(file.path);
        const std::size_t limit = exception == ratchet.end() ? kFileLinesMax : exception->second;
        EXPECT_LE(file.lines.size(), limit) << file.path << ": split it by idea";
    }
}

TEST(Tidy, LinesFitInHundredColumns) {
    for (const auto& file : tree()) {
        if (!is_cpp(file)) {
            continue;
        }
        // Raw string literals hold text of another language and are left out, as are addresses.
        std::string raw_end;
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            const auto& line = file.lines[i];
            if (!raw_end.empty()) {
                if (line.find(raw_end) != std::string::npos) {
                    raw_end.clear();
                }
                continue;
            }
            if (const auto raw = line.find("R\""); raw != std::string::npos) {
                const auto open = line.find('(', raw);
                if (open != std::string::npos) {
                    raw_end = ")" + line.substr(raw + 2, open - raw - 2) + "\"";
                    if (line.find(raw_end, open) != std::string::npos) {
                        raw_end.clear();
                    }
                    continue;
                }
            }
            EXPECT_FALSE(line.size() > kLineColumnsMax && line.find("http") == std::string::npos)
                << place(file, i) << " has " << line.size() << " columns";
        }
    }
}

TEST(Tidy, NothingIsLeftUnfinished) {
    // Pieced together, so that this file does not find itself.
    const std::regex banned(std::string("TO") + "DO|FIX" + "ME|\\bXX" + "X\\b|DISA" +
                            "BLED_|GTEST_" + "SKIP|\\b[Ss]tu" + "b(bed|s)?\\b|[Nn]ot (yet )?imple" +
                            "mented|@no" + "commit");
    for (const auto& file : tree()) {
        if (!is_hand_written(file)) {
            continue;
        }
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            EXPECT_FALSE(std::regex_search(file.lines[i], banned))
                << place(file, i) << ": " << file.lines[i] << "\n  finish it, or open an issue";
        }
    }
}

TEST(Tidy, BannedCallsHaveTheirReplacement) {
    struct Ban {
        std::regex call;
        std::regex except;  // files that may
        const char* instead;
    };
    const std::vector<Ban> bans = {
        {std::regex(
             // The matcher times its own rebuilds, for a metric that nothing depends on.
             "(system|steady|high_resolution)_clock::now"),
         std::regex("^(core/|tools/|matcher/matcher\\.cc$)"),
         "core/clock.h: the simulator moves the time by hand"},
        {std::regex(
             // Where a seed itself comes from, once per server or data folder.
             "\\bs?rand\\(|random_device"),
         std::regex("^(core/|runtime/server/server_parts\\.cc$|store/engine\\.cc$)"),
         "core/random.h: a run must be repeatable from its seed"},
        {std::regex("std::regex"), std::regex("^$"),
         "matcher/regex/regex.h: std::regex overflows the stack"},
        {std::regex("\\b(strcpy|strcat|sprintf|gets|strtok|gmtime|localtime|asctime)\\("),
         std::regex("^$"), "a bounded or reentrant form"},
        {std::regex("std::cout|std::cerr|std::endl"), std::regex("^tools/|/example\\.cc$"),
         "core/log.h"},
        {std::regex("^\\s*throw\\b"), std::regex("^$"), "core/result.h: errors are values"},
        {std::regex("using namespace std\\b"), std::regex("^$"), "the qualified name"},
    };
    for (const auto& file : tree()) {
        if (!is_cpp(file) || !is_product(file)) {
            continue;
        }
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            const std::string code = file.lines[i].substr(0, file.lines[i].find("//"));
            for (const auto& ban : bans) {
                EXPECT_FALSE(std::regex_search(code, ban.call) &&
                             !std::regex_search(file.path, ban.except))
                    << place(file, i) << ": " << code << "\n  use " << ban.instead;
            }
        }
    }
}

TEST(Tidy, HeadersOpenWithTheirContract) {
    for (const auto& file : tree()) {
        if (!file.path.ends_with(".h") || !is_product(file) || file.lines.empty()) {
            continue;
        }
        std::string opening;
        for (const auto& line : file.lines) {
            if (!line.starts_with("//")) {
                break;
            }
            opening += line + "\n";
        }
        EXPECT_NE(opening.find("What:"), std::string::npos)
            << file.path
            << ": open with a comment block (What, Threads, Lifetime, Limits, Failure)";
        EXPECT_TRUE(std::any_of(file.lines.begin(), file.lines.end(), [](const std::string& line) {
            return line == "#pragma once";
        })) << file.path;
    }
}

TEST(Tidy, EverySourceIsBuilt) {
    std::string build_files;
    for (const auto& file : tree()) {
        if (file.path.ends_with("CMakeLists.txt") || file.path.ends_with(".cmake")) {
            for (const auto& line : file.lines) {
                build_files += line + " ";
            }
        }
    }
    for (const auto& file : tree()) {
        if (file.path.ends_with(".cc")) {
            const std::string name = fs::path(file.path).filename().string();
            EXPECT_NE(build_files.find(name), std::string::npos)
                << file.path << ": no CMakeLists.txt names it";
        }
    }
}

TEST(Tidy, SourcesArePlainAscii) {
    for (const auto& file : tree()) {
        if (!is_hand_written(file) || file.path.starts_with("tools/console/")) {
            continue;
        }
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            const auto& line = file.lines[i];
            EXPECT_TRUE(std::none_of(
                line.begin(), line.end(),
                [](char c) { return static_cast<unsigned char>(c) >= 0x80 || c == '\r'; }))
                << place(file, i) << ": " << line << "\n  write \\u or \\x escapes";
        }
    }
}

TEST(Tidy, NoPathOfOneMachine) {
    const std::regex machine_path(R"((^|[\s"'=(<])/(work|home|root|Users)/)");
    for (const auto& file : tree()) {
        if (!is_hand_written(file) && !file.path.ends_with(".md")) {
            continue;
        }
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
            EXPECT_FALSE(std::regex_search(file.lines[i], machine_path) &&
                         file.path != "tests/tidy_test.cc")
                << place(file, i) << ": " << file.lines[i];
        }
    }
}

TEST(Tidy, EveryFolderIsExplained) {
    std::set<std::string> folders;
    for (const auto& file : tree()) {
        if (!file.folder.empty() && file.folder[0] != '.') {
            folders.insert(file.folder);
        }
    }
    std::ifstream stream(kRoot / "README.md");
    const std::string readme{std::istreambuf_iterator<char>(stream), {}};
    for (const auto& folder : folders) {
        EXPECT_TRUE(fs::exists(kRoot / folder / "README.md")) << folder << "/README.md is missing";
        const std::regex row("\\|\\s*\\[?`?" + folder + "/?`?[\\]\\s|]");
        EXPECT_TRUE(std::regex_search(readme, row))
            << "README.md's table has no row for " << folder;
    }
    const std::regex listed(R"(\n\|\s*\[?`([a-z_]+)/?`)");
    for (auto it = std::sregex_iterator(readme.begin(), readme.end(), listed);
         it != std::sregex_iterator(); ++it) {
        EXPECT_TRUE(folders.contains((*it)[1].str()))
            << "README.md lists a folder that does not exist: " << (*it)[1].str();
    }
}
