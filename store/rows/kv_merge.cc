#include "store/rows/kv_merge.h"

#include "store/rows/row_codec.h"

#include <rocksdb/merge_operator.h>

namespace millrace::store {
namespace {

class KvMergeOperator final : public rocksdb::MergeOperator {
public:
    bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
        KvValue value;
        bool there = in.existing_value != nullptr;
        // What does not read was set aside before somebody counted on (KvStore::stage).
        there = there && decode_kv({in.existing_value->data(), in.existing_value->size()}, value);
        for (const rocksdb::Slice& operand : in.operand_list) {
            KvIncrement increment;
            if (!decode_increment({operand.data(), operand.size()}, increment)) return false;
            value = apply_increment(there ? &value : nullptr, increment);
            there = true;
        }
        out->new_value = encode_kv_value(value);
        return true;
    }
    bool PartialMerge(const rocksdb::Slice&, const rocksdb::Slice& left,
                      const rocksdb::Slice& right, std::string* out,
                      rocksdb::Logger*) const override {
        KvIncrement a;
        KvIncrement b;
        return decode_increment({left.data(), left.size()}, a) &&
               decode_increment({right.data(), right.size()}, b) && join_increments(a, b, *out);
    }
    const char* Name() const override { return "millrace.kv.1"; }
};

}  // namespace

std::shared_ptr<rocksdb::MergeOperator> make_kv_merge_operator() {
    return std::make_shared<KvMergeOperator>();
}

}  // namespace millrace::store
