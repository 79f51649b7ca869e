#include "tools/serve_command.h"

#include <cstdio>

namespace millrace::tools {

int serve_command(std::vector<std::string>) {
    std::fputs("error: this binary was built without the engine; it is the command line only\n",
               stderr);
    return 1;
}

}  // namespace millrace::tools
