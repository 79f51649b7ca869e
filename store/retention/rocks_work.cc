#include "store/retention/rocks_work.h"

#include "store/engine.h"

#include <string>
#include <string_view>
#include <vector>

namespace millrace::store {
namespace {

// Background threads may work while this lives. Its end waits until none does: a flush tells its
// caller that it is done before it has removed the files that nobody needs any more.
class Allowed {
public:
    explicit Allowed(Engine& engine) : engine_(engine) {
        if (engine_.options.work_by_hand)
            engine_.db().ContinueBackgroundWork().PermitUncheckedError();
    }
    ~Allowed() {
        if (engine_.options.work_by_hand) engine_.db().PauseBackgroundWork().PermitUncheckedError();
    }
    Allowed(const Allowed&) = delete;
    Allowed& operator=(const Allowed&) = delete;

private:
    Engine& engine_;
};

// As what fails behind our back (rocks_errors.h). A memtable whose new WAL could not be made must
// not be put aside a second time: RocksDB 7.8 ends the process then.
void end_on_disk_error(Engine& engine, std::string_view what, const rocksdb::Status& status) {
    if (status.IsIOError())
        engine.set_disk_failed(std::string(what) + " failed: " + status.ToString());
}

}  // namespace

core::Status flush(Engine& engine) {
    if (engine.fatal()) return core::fail(core::ErrorCode::kUnavailable, engine.fatal_reason());
    const Allowed allowed(engine);
    std::vector<rocksdb::ColumnFamilyHandle*> families;
    for (std::size_t i = 0; i < kColumnFamilyCount; ++i)
        families.push_back(engine.family(static_cast<ColumnFamily>(i)));
    const rocksdb::Status status = engine.db().Flush(rocksdb::FlushOptions(), families);
    end_on_disk_error(engine, "flush", status);
    return status.ok() ? core::Status{} : core::fail(rocks_error("flush", status));
}

void compact(Engine& engine, ColumnFamily family, const std::string& from, const std::string& to,
             const rocksdb::CompactRangeOptions& options) {
    if (engine.fatal()) return;
    const Allowed allowed(engine);
    const rocksdb::Slice begin(from);
    const rocksdb::Slice end(to);
    end_on_disk_error(
        engine, "compaction",
        engine.db().CompactRange(options, engine.family(family), from.empty() ? nullptr : &begin,
                                 to.empty() ? nullptr : &end));
}

}  // namespace millrace::store
