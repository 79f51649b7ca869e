#include "runtime/server/process_figures.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>

#include <sys/resource.h>
#include <unistd.h>

namespace millrace::runtime {

namespace {

std::string text_of(const char* path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The number behind a name at the beginning of a line.
double number_after(const std::string& text, const std::string& name) {
    const std::size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? 0 : std::atof(text.c_str() + at + name.size() + 2);
}

std::uint64_t entries_of(const char* folder) {
    std::uint64_t count = 0;
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error))
        ++count;
    return count > 0 ? count - 1 : 0;  // the folder itself was one of them
}

}  // namespace

ProcessFigures read_process_figures() {
    ProcessFigures figures;
    const double ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    std::string stat = text_of("/proc/self/stat");
    // The name, in brackets, may hold anything: fields are counted from behind it, the third first.
    const std::size_t name_end = stat.rfind(')');
    if (name_end != std::string::npos && ticks > 0) {
        std::istringstream fields(stat.substr(name_end + 1));
        std::string field;
        for (int number = 3; number <= 24 && fields >> field; ++number) {
            const double value = std::atof(field.c_str());
            if (number == 14 || number == 15) figures.cpu_seconds += value / ticks;
            if (number == 20) figures.threads = static_cast<std::uint64_t>(value);
            if (number == 22) {
                figures.start_seconds =
                    number_after(text_of("/proc/stat"), "btime") + value / ticks;
            }
            if (number == 23) figures.virtual_bytes = static_cast<std::uint64_t>(value);
            if (number == 24) {
                figures.resident_bytes = static_cast<std::uint64_t>(value) *
                                         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
            }
        }
    }
    figures.open_files = entries_of("/proc/self/fd");
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.open_files_max = limit.rlim_cur;
    return figures;
}

void export_process_figures(core::Metrics& metrics, std::string_view version, std::string_view io) {
    using core::Metric;
    const auto export_as = [&metrics](Metric metric, auto member) {
        metrics.gauge_callback(
            metric, [member] { return static_cast<double>(read_process_figures().*member); });
    };
    export_as(Metric::kProcessCpuSeconds, &ProcessFigures::cpu_seconds);
    export_as(Metric::kProcessStart, &ProcessFigures::start_seconds);
    export_as(Metric::kProcessResident, &ProcessFigures::resident_bytes);
    export_as(Metric::kProcessVirtual, &ProcessFigures::virtual_bytes);
    export_as(Metric::kProcessThreads, &ProcessFigures::threads);
    export_as(Metric::kProcessOpenFiles, &ProcessFigures::open_files);
    export_as(Metric::kProcessFilesMax, &ProcessFigures::open_files_max);
    metrics.role().gauge(Metric::kBuildInfo, {version, io}).set(1);
}

}  // namespace millrace::runtime
