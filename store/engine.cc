#include "store/engine.h"

#include "core/random.h"
#include "store/commit/rocks_crc32c.h"
#include "store/commit/rocks_errors.h"
#include "store/commit/rocks_options.h"
#include "store/file_util.h"
#include "store/leftovers.h"
#include "store/log/received_high.h"
#include "store/retention/rocks_work.h"
#include "store/rows/keys.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <random>

#include <fcntl.h>
#include <unistd.h>

namespace millrace::store {
namespace {

using core::ErrorCode;

constexpr std::string_view kFormatLine = "millrace data folder, format ";

// The store draws its seed once per data folder; this is no randomness that a run depends on.
HashSeed draw_seed(std::optional<std::uint64_t> from) {
    HashSeed seed;
    if (from) {
        core::Random random(*from);
        for (auto& word : seed.words) word = random.next();
        return seed;
    }
    std::random_device device;
    for (auto& word : seed.words) word = (static_cast<std::uint64_t>(device()) << 32) | device();
    return seed;
}

}  // namespace

core::Error rocks_error(std::string_view operation, const rocksdb::Status& status) {
    return core::Error(ErrorCode::kInternal,
                       "store: " + std::string(operation) + " failed: " + status.ToString());
}

Engine::Engine(const Database::Options& o) : options(o) {}

Engine::~Engine() {
    // Parts first: some hold iterators' snapshots or mapped files.
    shard_logs.clear();
    if (db_) {
        for (const auto* handles : {&handles_, &old_handles_}) {
            for (rocksdb::ColumnFamilyHandle* handle : *handles) {
                if (handle) db_->DestroyColumnFamilyHandle(handle);
            }
        }
        db_->Close();
    }
}

// What is read from now on is on the disk: nobody is told that something was kept which a power cut
// could still take, from an earlier process too.
core::Status Engine::settle_folder() {
    const auto cache = lock_.sync_failed_before() ? PageCache::kNotOnTheDisk : PageCache::kTrue;
    if (auto status = sync_leftovers(options.path, cache); !status) return status;
    return lock_.settled();
}

core::Status Engine::check_format() {
    const std::string path = options.path + "/FORMAT";
    std::string text;
    if (!file_exists(path)) {
        if (file_exists(options.path + "/rocks/CURRENT")) {
            return core::fail(ErrorCode::kInternal,
                              "store: open data folder path=" + options.path +
                                  " failed: its FORMAT file is missing; restore it from a backup");
        }
        if (options.read_only) {
            return core::fail(ErrorCode::kNotFound,
                              "store: open data folder path=" + options.path +
                                  " failed: it is no Millrace data folder (no FORMAT file)");
        }
        if (auto status = write_format(); !status) return status;
        return sync_folder(options.path + "/..");
    }
    if (auto status = read_file(path, text); !status) return status;
    std::uint32_t version = 0;
    const std::string_view number =
        std::string_view(text).substr(std::min(text.size(), kFormatLine.size()));
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), version);
    if (!text.starts_with(kFormatLine) || parsed.ec != std::errc{} || version == 0) {
        return core::fail(ErrorCode::kInternal,
                          "store: open data folder path=" + options.path +
                              " failed: its FORMAT file is damaged; restore it from a backup");
    }
    if (version > kFormatVersion) {
        return core::fail(ErrorCode::kInternal,
                          "store: open data folder path=" + options.path +
                              " failed: it was written in format " + std::to_string(version) +
                              ", this millrace knows formats up to " +
                              std::to_string(kFormatVersion) + "; run the newer millrace");
    }
    format_is_old_ = version < kFormatVersion;
    if (format_is_old_) opening.format_before = version;
    return {};
}

core::Status Engine::write_format() {
    const std::string path = options.path + "/FORMAT";
    const std::string fresh = path + ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0) return file_error("create", fresh, errno);
    const std::string text = std::string(kFormatLine) + std::to_string(kFormatVersion) + "\n";
    const bool written =
        ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(fd) == 0;
    const int error = errno;
    ::close(fd);
    if (!written) return file_error("write", fresh, error);
    if (::rename(fresh.c_str(), path.c_str()) != 0) return file_error("rename", fresh, errno);
    return sync_folder(options.path);
}

rocksdb::Status Engine::open_db(const rocksdb::DBOptions& with, const std::string& path) {
    if (file_exists(path + "/CURRENT")) return open_families(with, path);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const std::vector<rocksdb::ColumnFamilyDescriptor> families = make_families(options);
    // Made all at once: open() would write and sync an options file after each of them.
    rocksdb::Status status = rocksdb::DB::Open(with, path, {families.front()}, &handles, &db);
    std::vector<rocksdb::ColumnFamilyHandle*> others;
    if (status.ok())
        status = db->CreateColumnFamilies({families.begin() + 1, families.end()}, &others);
    handles.insert(handles.end(), others.begin(), others.end());
    db_.reset(db);
    std::copy(handles.begin(), handles.end(), handles_.begin());
    return status;
}

// A folder of an older format lacks families, and has some under the names they had then. An
// opening for writing makes what is missing and has both; one for reading takes what there is.
rocksdb::Status Engine::open_families(const rocksdb::DBOptions& with, const std::string& path) {
    std::vector<std::string> there;
    if (format_is_old_ || options.read_only) {
        rocksdb::Status listed = rocksdb::DB::ListColumnFamilies(with, path, &there);
        if (!listed.ok()) return listed;
    }
    const auto is_there = [&](std::string_view name) {
        return std::find(there.begin(), there.end(), name) != there.end();
    };
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    std::vector<rocksdb::ColumnFamilyHandle**> places;
    std::vector<rocksdb::ColumnFamilyDescriptor> known = make_families(options);
    for (std::size_t i = 0; i < known.size(); ++i) {
        const bool old = is_there(kFamilyNames[i]) && known[i].name != kFamilyNames[i];
        old_keys_[i] = old && options.read_only;
        if (old) {
            families.emplace_back(kFamilyNames[i], known[i].options);
            places.push_back(old_keys_[i] ? &handles_[i] : &old_handles_[i]);
        }
        if (old_keys_[i] || (options.read_only && !is_there(known[i].name))) continue;
        families.push_back(known[i]);
        places.push_back(&handles_[i]);
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    rocksdb::Status status = options.read_only
                                 ? rocksdb::DB::OpenForReadOnly(with, path, families, &handles, &db)
                                 : rocksdb::DB::Open(with, path, families, &handles, &db);
    db_.reset(db);
    for (std::size_t i = 0; i < handles.size(); ++i) *places[i] = handles[i];
    return status;
}

core::Status Engine::open_rocks() {
    const std::string path = options.path + "/rocks";
    use_own_crc32c();
    rocksdb::DBOptions db_options = make_db_options(options);
    db_options.listeners.push_back(
        end_on_error([this](const std::string& what) { set_disk_failed(what); }));
    if (options.sync_depth_max > 1 && !options.read_only) {
        WalFiles::Options wal;
        wal.folder = path;
        wal.syncs = options.sync_depth_max;
        wal.clock = options.clock;
        wal.on_fail = [this](const std::string& reason) { set_disk_failed(reason); };
        wal_files = std::make_unique<WalFiles>(wal);
        env_ = rocksdb::NewCompositeEnv(wal_files->over(db_options.env->GetFileSystem()));
        db_options.env = env_.get();
    }
    rocksdb::Status status = open_db(db_options, path);
    if (status.IsCorruption() && options.accept_loss && !options.read_only) {
        losses.push_back("the database's files are damaged (" + status.ToString() +
                         "): what was written behind the damage is gone");
        accept_damaged_wals(db_options);
        status = open_db(db_options, path);
    }
    if (!status.ok()) {
        std::string help = "; nothing was changed";
        if (status.IsCorruption()) {
            help =
                "; the files are damaged: acknowledged events may be missing, so the start is "
                "refused. Restore from a backup, or start once with --accept-loss to go on with "
                "what stands before the damage";
        }
        return core::fail(ErrorCode::kInternal, "store: open database path=" + path +
                                                    " failed: " + status.ToString() + help);
    }
    if (options.work_by_hand) db_->PauseBackgroundWork().PermitUncheckedError();
    return {};
}

core::Status Engine::load_seed() {
    rocksdb::PinnableSlice value;
    auto there = get(ColumnFamily::kDefault, "seed", value);
    if (!there) return core::fail(std::move(there.error()));
    HashSeed seed;
    if (*there) {
        if (value.size() != sizeof(seed))
            return core::fail(ErrorCode::kInternal, "store: the folder's hash seed is damaged");
        std::memcpy(&seed, value.data(), sizeof(seed));
    } else {
        seed = draw_seed(options.hash_seed);
        rocksdb::WriteBatch batch;
        batch.Put(family(ColumnFamily::kDefault), "seed",
                  rocksdb::Slice(reinterpret_cast<const char*>(&seed), sizeof(seed)));
        if (auto status = commit(batch, Durability::kFsync); !status) return status;
    }
    hasher = std::make_unique<Hasher>(seed);
    return options.gate ? check_seed() : core::Status{};
}

// Key hashes and identities hang on it: copies with different ones would mean different events.
core::Status Engine::check_seed() {
    rocksdb::PinnableSlice value;
    auto there = get(ColumnFamily::kDefault, "seed", value);
    if (!there) return core::fail(std::move(there.error()));
    if (!*there || !options.hash_seed) return {};
    const HashSeed wanted = draw_seed(options.hash_seed);
    if (value.size() == sizeof(wanted) && std::memcmp(value.data(), &wanted, sizeof(wanted)) == 0)
        return {};
    return core::fail(ErrorCode::kConflict,
                      "store: open data folder path=" + options.path +
                          " failed: it was made with another hash seed than this cluster's; it "
                          "belongs to another cluster. Use a folder of its own");
}

core::Status Engine::load_meta() {
    if (auto status = load_seed(); !status) return status;
    const auto number = [&](std::string_view key, std::uint32_t& out) -> core::Status {
        rocksdb::PinnableSlice value;
        auto there = get(ColumnFamily::kDefault, key, value);
        if (!there) return core::fail(std::move(there.error()));
        if (*there && value.size() == sizeof(out)) std::memcpy(&out, value.data(), sizeof(out));
        return {};
    };
    std::uint32_t shards = 0;
    if (auto status = number("shards", shards); !status) return status;
    if (auto status = number("boot", boot_); !status) return status;
    if (options.read_only) return {};
    if (shards != 0 && shards != options.shards) {
        const auto first = iterate(ColumnFamily::kLog);
        first->SeekToFirst();
        if (first->Valid()) {
            return core::fail(ErrorCode::kConflict,
                              "store: open data folder path=" + options.path +
                                  " failed: it was made with " + std::to_string(shards) +
                                  " shards and holds events, but " +
                                  std::to_string(options.shards) +
                                  " are configured; start with --shards " + std::to_string(shards));
        }
    }
    ++boot_;
    shards = static_cast<std::uint32_t>(options.shards);
    rocksdb::WriteBatch batch;
    batch.Put(family(ColumnFamily::kDefault), "shards",
              rocksdb::Slice(reinterpret_cast<const char*>(&shards), sizeof(shards)));
    batch.Put(family(ColumnFamily::kDefault), "boot",
              rocksdb::Slice(reinterpret_cast<const char*>(&boot_), sizeof(boot_)));
    if (auto status = note_alone(batch); !status) return status;
    return commit(batch, Durability::kFsync);
}

void Engine::put_kv_history_since(rocksdb::WriteBatch& batch, std::int64_t since_us) {
    batch.Put(family(ColumnFamily::kDefault), "kv_history_since",
              rocksdb::Slice(reinterpret_cast<const char*>(&since_us), sizeof(since_us)));
}

// A history with a hole is none: switched off, what there was goes too.
core::Status Engine::open_kv_history() {
    rocksdb::PinnableSlice value;
    auto there = get(ColumnFamily::kDefault, "kv_history_since", value);
    if (!there) return core::fail(std::move(there.error()));
    std::int64_t since_us = options.clock->wall_us();
    if (*there && value.size() == sizeof(since_us))
        std::memcpy(&since_us, value.data(), sizeof(since_us));
    if (options.read_only) {
        if (*there) kv_history_since_us = since_us;
        return {};
    }
    rocksdb::WriteBatch batch;
    if (options.kv_history_us > 0) {
        if (!*there) put_kv_history_since(batch, since_us);
        kv_history_since_us = since_us;
    } else if (*there) {
        batch.Delete(family(ColumnFamily::kDefault), "kv_history_since");
        batch.DeleteRange(family(ColumnFamily::kKvHistory), partition_key(kKvPartition),
                          partition_key(core::ShardId{kKvPartition.value + 1}));
    }
    return batch.Count() == 0 ? core::Status{} : commit(batch, Durability::kOs);
}

core::Status Engine::open_folder() {
    if (options.shards == 0 || options.shards > core::kShardsMax) {
        return core::fail(ErrorCode::kValidation,
                          "store: shards must be 1 to " + std::to_string(core::kShardsMax));
    }
    if (!options.read_only) {
        for (const char* part : {"", "/ids"}) {
            if (auto status = make_folder(options.path + part); !status) return status;
        }
    }
    if (auto status = lock_.take(options.path, options.read_only); !status) return status;
    opening.left_by = lock_.left_by();
    if (!options.read_only) {
        if (auto status = settle_folder(); !status) return status;
    }
    if (auto status = check_format(); !status) return status;
    if (!options.read_only) {
        space = std::make_unique<SpaceGuard>(
            SpaceGuard::Options{options.path, options.reserve_bytes, options.ballast_bytes});
        if (free_disk_bytes(options.path) < SpaceGuard::kFreeBytesMin) {
            return core::fail(
                ErrorCode::kUnavailable,
                "store: open data folder path=" + options.path + " failed: only " +
                    std::to_string(free_disk_bytes(options.path) >> 20) +
                    " MiB are free on its disk; free some space (nothing was changed)");
        }
    }
    return open_rocks();
}

core::Status Engine::open() {
    if (auto status = open_folder(); !status) return status;
    if (options.gate) {
        if (auto status = check_replicable(); !status) return status;
    }
    if (auto status = load_meta(); !status) return status;
    if (auto status = recover_tails(); !status) return status;
    if (auto status = check_mark(); !status) return status;
    if (auto status = migrate(); !status) return status;
    if (auto status = load_units(); !status) return status;
    if (auto status = recover_ids(); !status) return status;
    if (auto status = count_rows(); !status) return status;
    if (auto status = open_kv_history(); !status) return status;
    return make_parts();
}

core::Status Engine::make_parts() {
    for (std::size_t i = 0; i < options.shards; ++i) {
        ShardLog::Options log;
        log.shard = core::ShardId{static_cast<std::uint16_t>(i)};
        log.shards = options.shards;
        log.next_offset = core::LogOffset{committed_[i].end_offset};
        log.next_sequence = committed_[i].blocks;
        log.previous_hash = committed_[i].last_hash;
        auto high_us = received_high_of(*this, log.shard);
        if (!high_us) return core::fail(std::move(high_us.error()));
        log.received_high_us = *high_us;
        log.pools = &pools;
        log.ids = options.read_only ? nullptr : &ids.shard(log.shard);
        shard_logs.push_back(std::make_unique<ShardLog>(log));
    }
    log_reader = std::make_unique<LogReader>(*this);
    event_search = std::make_unique<EventSearch>(*this);
    executions = std::make_unique<Executions>(*this);
    kv = std::make_unique<KvStore>(*this, options.kv_cache_bytes);
    kv_history = std::make_unique<KvHistory>(*this);
    retries = std::make_unique<RetrySchedule>(*this);
    dead_letters = std::make_unique<DeadLetters>(*this);
    entities = std::make_unique<EntityStore>(*this);
    registry = std::make_unique<RegistryStore>(*this);
    audit = std::make_unique<AuditLog>(*this);
    housekeeper = std::make_unique<Housekeeper>(*this);
    return {};
}

core::Status Engine::close() {
    if (!db_ || options.read_only) return {};
    if (fatal()) return core::fail(ErrorCode::kUnavailable, fatal_reason());
    if (auto status = sync_now(); !status) return status;
    if (auto status = write_mark(); !status) return status;
    return flush_for_next_start(*this);
}

// The log of the partition has it first: what this disk alone has would be nobody's.
core::Status Engine::write(rocksdb::WriteBatch& batch, bool sync) {
    if (!options.gate || batch.Count() == 0) return write_here(batch, sync);
    const std::lock_guard order(order_);
    if (fatal()) return core::fail(ErrorCode::kUnavailable, fatal_reason());
    const auto at = options.gate->append(batch.Data());
    if (!at) {
        set_fatal(at.error().message);
        return core::fail(ErrorCode::kUnavailable, fatal_reason());
    }
    batch.Put(family(ColumnFamily::kDefault), slice(kReplicaKey), encode_replica_position(*at));
    return write_here(batch, sync);
}

core::Status Engine::write_here(rocksdb::WriteBatch& batch, bool sync) {
    if (fatal()) return core::fail(ErrorCode::kUnavailable, fatal_reason());
    rocksdb::WriteOptions write;
    write.sync = sync;
    if (options.work_by_hand) make_room(*this);
    const rocksdb::Status status = db_->Write(write, &batch);
    if (!status.ok()) {
        // The outcome is unknown and the kernel may have dropped the pages: no retry, no more acks.
        set_disk_failed("commit failed: " + status.ToString());
        return core::fail(ErrorCode::kUnavailable, fatal_reason());
    }
    return {};
}

core::Status Engine::commit(rocksdb::WriteBatch& batch, Durability durability) {
    const bool sync = durability == Durability::kFsync;
    const std::size_t bytes = batch.GetDataSize();
    const std::uint64_t mark = unsynced_mark();
    if (auto status = write(batch, sync); !status) return status;
    if (sync) {
        note_synced(mark);
    } else {
        unsynced_ever_.fetch_add(bytes, std::memory_order_relaxed);  // a gauge
    }
    return {};
}

core::Status Engine::write_ahead(rocksdb::WriteBatch& batch) { return write(batch, false); }

std::uint64_t Engine::unsynced_bytes() const {
    const std::uint64_t synced = synced_since_.load(std::memory_order_relaxed);  // a gauge
    return unsynced_mark() - synced;
}

std::uint64_t Engine::unsynced_mark() const {
    return unsynced_ever_.load(std::memory_order_relaxed);  // a gauge
}

void Engine::note_synced(std::uint64_t mark) {
    // relaxed: a gauge; several may end their syncs in any order, the furthest counts.
    std::uint64_t before = synced_since_.load(std::memory_order_relaxed);
    while (before < mark &&
           !synced_since_.compare_exchange_weak(before, mark, std::memory_order_relaxed)) {
    }
}

void Engine::apply(const CommitEffects& effects) {
    retry_count.fetch_add(effects.retries_change, std::memory_order_relaxed);  // gauges
    parked_count.fetch_add(effects.parked_change, std::memory_order_relaxed);
    dead_letter_count.fetch_add(effects.dead_letters_change, std::memory_order_relaxed);
    for (const auto& [tenant, key] : effects.retries_put) due_turns.put(tenant, key);
}

void Engine::publish_tail(core::ShardId shard, const ShardTail& tail) {
    std::lock_guard lock(tails_mutex_);
    // First, so that what tail() names can be read. Release: pairs with durable_end().
    ends_[shard.value].durable.store(tail.end_offset, std::memory_order_release);
    committed_[shard.value] = tail;
}

ShardTail Engine::tail(core::ShardId shard) const {
    std::lock_guard lock(tails_mutex_);
    return committed_[shard.value];
}

void Engine::publish_synced() {
    std::lock_guard lock(tails_mutex_);
    synced_ = committed_;
}

core::Status Engine::sync_now() {
    if (unsynced_bytes() == 0) return {};
    const std::uint64_t mark = unsynced_mark();
    std::array<ShardTail, core::kShardsMax> before;
    {
        std::lock_guard lock(tails_mutex_);
        before = committed_;
    }
    const rocksdb::Status status = db_->SyncWAL();
    if (!status.ok()) {
        set_disk_failed("sync failed: " + status.ToString());
        return core::fail(ErrorCode::kUnavailable, fatal_reason());
    }
    note_synced(mark);
    std::lock_guard lock(tails_mutex_);
    // The writer may have gone further meanwhile.
    for (std::size_t i = 0; i < synced_.size(); ++i) {
        if (synced_[i].blocks < before[i].blocks) synced_[i] = before[i];
    }
    return {};
}

std::array<ShardTail, core::kShardsMax> Engine::synced_tails() {
    std::lock_guard lock(tails_mutex_);
    return synced_;
}

core::Status Engine::write_mark() {
    std::array<ShardTail, core::kShardsMax> tails;
    {
        std::lock_guard lock(tails_mutex_);
        if (synced_ == marked_) return {};
        tails = synced_;
    }
    if (auto status = mark_->write(tails, static_cast<std::uint32_t>(options.shards)); !status) {
        set_fatal(status.error().message);
        return status;
    }
    marked_ = tails;
    return {};
}

std::string Engine::fatal_reason() const {
    std::lock_guard lock(fatal_mutex_);
    return fatal_reason_;
}

void Engine::set_fatal(std::string reason) {
    std::lock_guard lock(fatal_mutex_);
    if (fatal_.load(std::memory_order_relaxed)) return;  // the first reason counts; under the mutex
    fatal_reason_ = std::move(reason);
    fatal_.store(true, std::memory_order_release);  // pairs with fatal()
}

void Engine::set_disk_failed(const std::string& what) {
    lock_.note_sync_failed();
    set_fatal("store: " + what +
              "; nothing is acknowledged any more, restart the server when the disk is well");
}

core::Result<bool> Engine::get(ColumnFamily from, std::string_view key,
                               rocksdb::PinnableSlice& out) {
    const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), family(from), slice(key), &out);
    if (status.IsNotFound()) return false;
    if (!status.ok()) return core::fail(rocks_error("read", status));
    return true;
}

std::unique_ptr<rocksdb::Iterator> Engine::iterate(ColumnFamily over, const rocksdb::Snapshot* at) {
    if (!family(over)) return std::unique_ptr<rocksdb::Iterator>(rocksdb::NewEmptyIterator());
    rocksdb::ReadOptions read;
    read.snapshot = at;
    // A block carries a checksum of its own over all its bytes, checked at every read. RocksDB's
    // second one over the same bytes took half of a scan's time (software crc32c).
    read.verify_checksums = over != ColumnFamily::kLog || options.check_all_reads;
    return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(read, family(over)));
}

}  // namespace millrace::store
