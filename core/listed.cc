#include "core/listed.h"

namespace millrace::core {

Result<std::vector<std::string>> listed_paths(std::string_view list, std::string_view setting) {
    std::vector<std::string> paths;
    std::string_view wrong;
    const bool all = each_listed(list, [&](std::string_view path) {
        if (path.empty()) return true;
        wrong = path;
        if (!path.starts_with('/') || paths.size() == kListedPathsMax) return false;
        paths.emplace_back(path);
        return true;
    });
    if (all) return paths;
    return fail(Error(ErrorCode::kValidation, "config: " + std::string(setting) + " holds \"" +
                                                  std::string(wrong.substr(0, 128)) +
                                                  "\"; expected absolute paths, " +
                                                  std::to_string(kListedPathsMax) + " at most")
                    .in(std::string(setting)));
}

}  // namespace millrace::core
