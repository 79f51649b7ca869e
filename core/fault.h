// What: named places at which a test may end the process as a power cut would:
//       MILLRACE_CRASH_AT=name:n kills it (SIGKILL) at the n-th pass. They are in every build, so
//       that what is tested is what is shipped; all of them lie on paths that run once a commit or
//       more rarely.
// Threads: any. Lifetime: the environment is read once. Limits: one point a run.
// Failure: an unknown name is told on stderr and ignored.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <signal.h>
#include <unistd.h>

namespace millrace::core {

// name, where
#define MILLRACE_FAULT_POINTS(X)                                                                   \
    X(kBeforeCommit, "before_commit")             /* a group is gathered, nothing written */       \
    X(kAfterWrite, "after_write")                 /* written, its sync not begun: in flight */     \
    X(kAfterCommit, "after_commit")               /* on the disk, nobody told */                   \
    X(kAfterPublish, "after_publish")             /* completions pushed, clients not yet told */   \
    X(kMarkWritten, "mark_written")               /* high-water mark written, not synced */        \
    X(kRunBeforeRename, "run_before_rename")      /* identity run whole, without its name */       \
    X(kRunAfterRename, "run_after_rename")        /* named, not yet in use */                      \
    X(kMergeBeforeUnlink, "merge_before_unlink")  /* merged run and its inputs all there */        \
    X(kRetentionGathered, "retention_gathered")   /* chosen which blocks go, nothing written */    \
    X(kRetentionCommitted, "retention_committed") /* dropped on the disk, not in memory */         \
    X(kThinGathered, "thin_gathered")             /* blocks made anew, the old ones there */       \
    X(kThinCommitted, "thin_committed")           /* anew on the disk, readers have the old */     \
    X(kThinReclaimed, "thin_reclaimed")           /* the values that stay in files of their own */ \
    X(kMigrationBatch, "migration_batch")         /* some rows of an old format copied */          \
    X(kMigrationCopied, "migration_copied")       /* all of them, the old ones there */            \
    X(kMigrationDropped, "migration_dropped")     /* an old family gone, FORMAT the old one */     \
    X(kDocumentsWritten, "documents_written")     /* a change of documents, nobody told */

enum class FaultPoint : std::uint8_t {
#define X(name, text) name,
    MILLRACE_FAULT_POINTS(X)
#undef X
};

class FaultPlan {
public:
    static FaultPlan& instance() {
        static FaultPlan plan;
        return plan;
    }
    void pass(FaultPoint point) {
        if (!armed_ || point != point_) return;
        if (left_.fetch_sub(1, std::memory_order_relaxed) == 1)
            ::kill(::getpid(), SIGKILL);  // a counter
    }

private:
    FaultPlan() {
        const char* wish = std::getenv("MILLRACE_CRASH_AT");
        if (!wish) return;
        const char* colon = std::strchr(wish, ':');
        const std::size_t bytes =
            colon ? static_cast<std::size_t>(colon - wish) : std::strlen(wish);
        left_ = colon ? std::atoi(colon + 1) : 1;
        const char* const texts[] = {
#define X(name, text) text,
            MILLRACE_FAULT_POINTS(X)
#undef X
        };
        for (std::size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i) {
            if (std::strlen(texts[i]) != bytes || std::memcmp(texts[i], wish, bytes) != 0) continue;
            point_ = static_cast<FaultPoint>(i);
            armed_ = true;
        }
        if (!armed_) std::fprintf(stderr, "MILLRACE_CRASH_AT=%s names no fault point\n", wish);
    }
    bool armed_ = false;
    FaultPoint point_{};
    std::atomic<int> left_{0};
};

inline void pass_fault_point(FaultPoint point) { FaultPlan::instance().pass(point); }

}  // namespace millrace::core
