// Part of Front: what other nodes ask of copies here that fill theirs: passed on to the process of
// the partition, whoever owns it.
#include "runtime/cluster/snapshot_manifest.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/cluster_state.h"
#include "runtime/node/front.h"

#include <array>
#include <utility>

namespace millrace::runtime::node {

bool Front::passes_to_copy(Passage& passage) {
    const auto path = cluster::read_snapshot_path(passage.path);
    if (!path || !passage.is_private) return false;
    passage.partition = path->partition;
    if (path->partition >= routing_->targets.size()) {
        answer_not_here(passage);
        return true;
    }
    io::Address to;
    to.family = io::Address::Family::kUnix;
    to.path = cluster::snapshot_socket(data_dir_ + "/" + partition_folder(path->partition));
    const HeaderList none;
    const std::array<std::pair<std::string_view, std::string_view>, 2> own = {
        {{"Host", "localhost"}, {identity::kFrontTokenHeader, settings_.token}}};
    const std::string head = forward_head(
        {.method = passage.method, .target = passage.target, .headers = &none, .own = own});
    passage.sent_ns = deps_.clock->monotonic_ns();
    if (!client_->start(passage, to, head, {})) answer_not_here(passage);
    return true;
}

}  // namespace millrace::runtime::node
