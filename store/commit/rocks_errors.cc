#include "store/commit/rocks_errors.h"

#include <utility>

namespace millrace::store {

namespace {

class EndOnError final : public rocksdb::EventListener {
public:
    explicit EndOnError(std::function<void(const std::string&)> on_error)
        : on_error_(std::move(on_error)) {}

    void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
        on_error_("the database's own work failed: " + status->ToString());
    }
    void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                              bool* auto_recovery) override {
        *auto_recovery = false;
    }

private:
    const std::function<void(const std::string&)> on_error_;
};

}  // namespace

std::shared_ptr<rocksdb::EventListener> end_on_error(
    std::function<void(const std::string& what)> on_error) {
    return std::make_shared<EndOnError>(std::move(on_error));
}

}  // namespace millrace::store
