#include "store/rows/kv_merge.h"

#include "store/rows/keys.h"
#include "store/rows/row_codec.h"

#include <rocksdb/merge_operator.h>

#include <cstring>

namespace millrace::store {
namespace {

bool read_increment(const rocksdb::Slice& operand, KvIncrement& out) {
    if (operand.size() != sizeof(out)) return false;
    std::memcpy(&out, operand.data(), sizeof(out));
    return true;
}

class KvMergeOperator final : public rocksdb::MergeOperator {
public:
    bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
        KvValue value;
        bool there = in.existing_value != nullptr;
        if (there && !decode_kv({in.existing_value->data(), in.existing_value->size()}, value))
            return false;
        for (const rocksdb::Slice& operand : in.operand_list) {
            KvIncrement increment;
            if (!read_increment(operand, increment)) return false;
            value = apply_increment(there ? &value : nullptr, increment);
            there = true;
        }
        out->new_value = encode_kv_int(value.integer, value.expires_at_us);
        return true;
    }
    // Two increments are one when no expiry could lie between them.
    bool PartialMerge(const rocksdb::Slice&, const rocksdb::Slice& left,
                      const rocksdb::Slice& right, std::string* out,
                      rocksdb::Logger*) const override {
        KvIncrement a;
        KvIncrement b;
        if (!read_increment(left, a) || !read_increment(right, b)) return false;
        if (a.expires_at_us != 0 || b.expires_at_us != 0 || a.now_us != b.now_us) return false;
        a.delta = static_cast<std::int64_t>(static_cast<std::uint64_t>(a.delta) +
                                            static_cast<std::uint64_t>(b.delta));
        out->clear();
        put_le(*out, a);
        return true;
    }
    const char* Name() const override { return "millrace.kv.1"; }
};

}  // namespace

std::shared_ptr<rocksdb::MergeOperator> make_kv_merge_operator() {
    return std::make_shared<KvMergeOperator>();
}

}  // namespace millrace::store
