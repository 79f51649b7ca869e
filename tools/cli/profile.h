// What: profiles: servers by a name, with the key and certificates for each, so that nobody types
//       them. `millrace context add|use|list|show|remove`.
// Threads: one. Lifetime: values; the file is $MILLRACE_CONTEXTS_FILE, else contexts.json in
//       $XDG_CONFIG_HOME/millrace or ~/.config/millrace, for its owner alone.
// Limits: none. Failure: an Error that names the file; nothing of it is changed then.
#pragma once

#include "core/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::tools {

struct Profile {
    std::string name;
    std::string server, api_key, ca_file, client_cert, client_key;
};

class Profiles {
public:
    static core::Result<Profiles> load();  // none where there is no file
    core::Status save() const;

    const Profile* find(std::string_view name) const;
    void put(Profile profile);
    bool remove(std::string_view name);

    std::string current;  // empty: none
    const std::vector<Profile>& all() const { return all_; }
    const std::string& file() const { return file_; }

private:
    std::string file_;
    std::vector<Profile> all_;
};

}  // namespace millrace::tools
