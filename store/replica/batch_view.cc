#include "store/replica/batch_view.h"

#include "store/ids/gone_events.h"
#include "store/log/format.h"
#include "store/replica/replica_gate.h"
#include "store/rows/keys.h"

#include <rocksdb/write_batch.h>

#include <string>

namespace millrace::store {
namespace {

std::string_view text_of(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

class Reader final : public rocksdb::WriteBatch::Handler {
public:
    explicit Reader(BatchView& out) : out_(out) {}

    rocksdb::Status PutCF(std::uint32_t family, const rocksdb::Slice& key,
                          const rocksdb::Slice& value) override {
        if (is(family, ColumnFamily::kLog)) {
            KeyReader reader(text_of(key));
            const core::LogPosition at = read_log_key(reader);
            if (!reader.ok()) return refuse("a block without a place");
            out_.blocks.push_back({at, text_of(value)});
        }
        if (is(family, ColumnFamily::kDefault)) {
            core::LogPosition block;
            if (text_of(key) == kReplicaKey) return refuse("a place of its own");
            if (read_gone_key(text_of(key), block)) out_.gone.push_back({block, text_of(value)});
        }
        return known(family);
    }
    rocksdb::Status DeleteCF(std::uint32_t family, const rocksdb::Slice& key) override {
        if (is(family, ColumnFamily::kDefault) && text_of(key) == kReplicaKey)
            return refuse("an end of its own place");
        return known(family);
    }
    rocksdb::Status DeleteRangeCF(std::uint32_t family, const rocksdb::Slice& /*begin*/,
                                  const rocksdb::Slice& end) override {
        if (is(family, ColumnFamily::kLog)) {
            KeyReader reader(text_of(end));
            const core::LogPosition at = read_log_key(reader);
            if (!reader.ok()) return refuse("a range without an end");
            out_.kept_from.push_back(at);
        }
        return known(family);
    }
    rocksdb::Status MergeCF(std::uint32_t family, const rocksdb::Slice&,
                            const rocksdb::Slice&) override {
        return is(family, ColumnFamily::kKv) ? known(family) : refuse("a merge outside kv");
    }
    void LogData(const rocksdb::Slice&) override {}

private:
    static bool is(std::uint32_t family, ColumnFamily wanted) {
        return family == static_cast<std::uint32_t>(wanted);
    }
    static rocksdb::Status refuse(const char* what) { return rocksdb::Status::Corruption(what); }
    static rocksdb::Status known(std::uint32_t family) {
        return family < kColumnFamilyCount ? rocksdb::Status::OK()
                                           : refuse("a family unknown here");
    }

    BatchView& out_;
};

}  // namespace

core::Result<BatchView> BatchView::of(const rocksdb::WriteBatch& batch) {
    BatchView out;
    Reader reader(out);
    const rocksdb::Status read = batch.GetDataSize() < 12  // its head
                                     ? rocksdb::Status::Corruption("shorter than its head")
                                     : batch.Iterate(&reader);
    if (!read.ok())
        return core::fail(core::ErrorCode::kConflict,
                          "store: a unit is no write of a store: " + read.ToString());
    return out;
}

}  // namespace millrace::store
