// What: main() for a fuzz target where libFuzzer is not at hand (g++). Feeds the target every file
//   of the corpus, then seeded mutations of each (cut short, bytes changed, pieces repeated), so
//   that an ordinary ctest run also sees inputs that nobody wrote down.
// Usage: target [--mutations N] [--seed N] PATH...   (files, or folders read in order of name)
// Failure: the target crashes, and the last line on stderr names the file, mutation and seed.
#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes);

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

struct Options {
    std::uint64_t mutations = 64;  // per file; keeps a corpus of some hundred files under a second
    std::uint64_t seed = 1;
    std::vector<fs::path> paths;
};

// Where the run stands: told by the handler of a crash.
struct Place {
    std::string file;
    std::uint64_t mutation = 0;
};
constexpr std::size_t kPlaceBytesMax = 512;
char place_text[kPlaceBytesMax];  // a signal handler can reach nothing else

void tell_place() {
    const auto length = ::strnlen(place_text, kPlaceBytesMax);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, place_text, length);
}

void tell_place_and_die(int signal_number) {
    tell_place();
    std::signal(signal_number, SIG_DFL);
    std::raise(signal_number);
}

void on_crash_tell_place() {
    std::signal(SIGABRT, tell_place_and_die);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_set_death_callback(tell_place);  // it has its own handlers for the others
#else
    for (const int signal_number : {SIGSEGV, SIGFPE, SIGBUS, SIGILL}) {
        std::signal(signal_number, tell_place_and_die);
    }
#endif
}

void run(const Bytes& input, const Place& place, std::uint64_t seed) {
    std::snprintf(place_text, kPlaceBytesMax, "fuzz replay: file=%s mutation=%llu seed=%llu\n",
                  place.file.c_str(), static_cast<unsigned long long>(place.mutation),
                  static_cast<unsigned long long>(seed));
    // A heap block of exactly this size, so that AddressSanitizer sees a read past the end.
    const auto exact = std::make_unique<std::uint8_t[]>(input.size());
    std::copy(input.begin(), input.end(), exact.get());
    LLVMFuzzerTestOneInput(exact.get(), input.size());
}

Bytes mutate(const Bytes& original, std::mt19937_64& random) {
    Bytes input = original;
    const auto below = [&](std::size_t limit) { return limit == 0 ? 0 : random() % limit; };
    const std::size_t changes = 1 + below(4);
    for (std::size_t i = 0; i < changes; ++i) {
        const std::size_t at = below(input.size());
        switch (below(5)) {
            case 0:  // cut short
                input.resize(at);
                break;
            case 1:  // one bit
                if (!input.empty()) {
                    input[at] = static_cast<std::uint8_t>(input[at] ^ (1U << below(8)));
                }
                break;
            case 2:  // one byte in
                input.insert(input.begin() + static_cast<std::ptrdiff_t>(at),
                             static_cast<std::uint8_t>(random()));
                break;
            case 3:  // one byte out
                if (!input.empty()) {
                    input.erase(input.begin() + static_cast<std::ptrdiff_t>(at));
                }
                break;
            default: {  // a piece again
                const std::size_t length = below(std::min<std::size_t>(input.size() - at, 64) + 1);
                const Bytes piece(input.begin() + static_cast<std::ptrdiff_t>(at),
                                  input.begin() + static_cast<std::ptrdiff_t>(at + length));
                input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), piece.begin(),
                             piece.end());
                break;
            }
        }
    }
    return input;
}

bool read_number(const char* text, std::uint64_t& number) {
    const char* end = text + std::strlen(text);
    return std::from_chars(text, end, number).ptr == end;
}

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        const bool is_mutations = argument == "--mutations";
        if (is_mutations || argument == "--seed") {
            if (++i == argc ||
                !read_number(argv[i], is_mutations ? options.mutations : options.seed)) {
                return false;
            }
        } else {
            options.paths.emplace_back(argument);
        }
    }
    return !options.paths.empty();
}

std::vector<fs::path> corpus_files(const std::vector<fs::path>& paths) {
    std::vector<fs::path> files;
    for (const auto& path : paths) {
        if (!fs::is_directory(path)) {
            files.push_back(path);
            continue;
        }
        for (const auto& entry : fs::recursive_directory_iterator(path)) {
            if (entry.is_regular_file()) {
                files.push_back(entry.path());
            }
        }
    }
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse(argc, argv, options)) {
        std::fprintf(stderr, "usage: %s [--mutations N] [--seed N] PATH...\n", argv[0]);
        return 2;
    }
    const auto files = corpus_files(options.paths);
    if (files.empty()) {
        std::fprintf(stderr, "fuzz replay: no corpus file under %s\n", options.paths[0].c_str());
        return 1;
    }
    on_crash_tell_place();
    std::mt19937_64 random(options.seed);
    for (const auto& file : files) {
        std::ifstream stream(file, std::ios::binary);
        if (!stream) {
            std::fprintf(stderr, "fuzz replay: cannot read %s\n", file.c_str());
            return 1;
        }
        const Bytes original{std::istreambuf_iterator<char>(stream),
                             std::istreambuf_iterator<char>()};
        Place place{file.string(), 0};
        run(original, place, options.seed);
        for (place.mutation = 1; place.mutation <= options.mutations; ++place.mutation) {
            run(mutate(original, random), place, options.seed);
        }
    }
    std::printf("fuzz replay: %zu files, %llu mutations of each\n", files.size(),
                static_cast<unsigned long long>(options.mutations));
    return 0;
}
