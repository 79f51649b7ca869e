#include "bench/loadgen/process_cpu.h"

#include <fstream>
#include <sstream>
#include <string>

#include <unistd.h>

namespace millrace::bench {

double process_cpu_seconds(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(file, text)) return -1;
    // The name (field 2) may hold spaces; everything after its ')' is plain.
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::int64_t process_resident_bytes(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
    std::int64_t total = 0;
    std::int64_t resident = -1;
    if (!(file >> total >> resident)) return -1;
    return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace millrace::bench
