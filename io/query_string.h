// What: cuts a query string at its '&' and '=' and decodes what stands between: the one place that
//       knows how. Pairs without a name and a value ("a=1&&b=2") are passed over.
//           for (QueryString pairs(query); pairs.next();) use(pairs.name(), pairs.value());
// Threads: one owner. Lifetime: borrows the text; name() and value() live until the next next().
// Limits: none. Failure: bad_escape() of a pair whose name or value is not well formed; both are as
//         they were sent then.
#pragma once

#include "io/http_types.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace millrace::io {

class QueryString {
public:
    // As sent, without '?'.
    explicit QueryString(std::string_view sent) : rest_(sent) {}

    bool next() {
        while (!rest_.empty()) {
            const std::string_view pair = rest_.substr(0, rest_.find('&'));
            rest_.remove_prefix(std::min(rest_.size(), pair.size() + 1));
            if (pair.empty()) continue;
            const std::string_view sent_name = pair.substr(0, pair.find('='));
            const std::string_view sent_value =
                pair.substr(std::min(pair.size(), sent_name.size() + 1));
            const bool name_good = percent_decode(sent_name, PlusIsSpace::kYes, name_);
            bad_escape_ = !percent_decode(sent_value, PlusIsSpace::kYes, value_) || !name_good;
            if (!name_good) name_ = sent_name;
            if (bad_escape_) value_ = sent_value;
            return true;
        }
        return false;
    }

    const std::string& name() const { return name_; }
    const std::string& value() const { return value_; }
    bool bad_escape() const { return bad_escape_; }

private:
    std::string_view rest_;
    std::string name_, value_;
    bool bad_escape_ = false;
};

}  // namespace millrace::io
