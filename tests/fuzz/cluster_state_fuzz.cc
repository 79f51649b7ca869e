// Fuzzes what nodes of a cluster tell each other and themselves: META, heartbeats, lines of
// partitions, principals, manifests of snapshots; and what a front looks at of a client's bytes.
// What reads is written again, and reads as the same.
#include "core/assert.h"
#include "runtime/cluster/snapshot_manifest.h"
#include "runtime/identity/trusted_front.h"
#include "runtime/node/cluster_state.h"
#include "runtime/node/named_events.h"
#include "runtime/node/supervisor.h"
#include "runtime/registry/edge_token.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace millrace::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
    const std::string_view text(reinterpret_cast<const char*>(data), bytes);
    if (const auto meta = node::read_meta(text)) {
        const std::string written = meta->json();
        const auto again = node::read_meta(written);
        MR_ASSERT(again && again->json() == written);
    }
    if (const auto said = node::read_heartbeat(text)) {
        const std::string written = said->json();
        const auto again = node::read_heartbeat(written);
        MR_ASSERT(again && again->json() == written);
    }
    if (const auto told = identity::read_principal(text)) {
        const std::string written = identity::principal_text(told->principal, told->tenant);
        const auto again = identity::read_principal(written);
        MR_ASSERT(again && identity::principal_text(again->principal, again->tenant) == written);
    }
    if (const auto manifest = cluster::read_snapshot_manifest(text)) {
        const std::string written = manifest->json();
        const auto again = cluster::read_snapshot_manifest(written);
        MR_ASSERT(again && again->json() == written);
    }
    if (const auto path = cluster::read_snapshot_path(text))
        MR_ASSERT(cluster::read_snapshot_path(path->text())->id == path->id);
    (void)node::read_child_report(text);
    (void)node::events_are_named({}, text);
    (void)tenant_of_edge_token(text);
    return 0;
}
