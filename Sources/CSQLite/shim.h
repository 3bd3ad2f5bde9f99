#pragma once
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

/// fcntl(2) with locks that belong to the open file instead of the process (F_OFD_SETLK, Linux 3.15).
///
/// A lock of the process is lost when the process closes any descriptor of the file, and a capture opens and closes the
/// files that it reads. Locks of both kinds exclude each other as usual. File systems that lack them get the old kind.
/// SQLite keeps one descriptor for each database, so the kinds differ only where this process has several connections
/// to one database: a read lock may then stay until the first of them is closed.
static int sqlite_lock_by_open_file(int descriptor, int command, ...) {
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (command == F_GETLK || command == F_SETLK || command == F_SETLKW) {
        struct flock *lock = (struct flock *)argument;
        lock->l_pid = 0;
        // F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, which only _GNU_SOURCE declares, in the same order.
        int result = fcntl(descriptor, command - F_GETLK + 36, lock);
        if (result == 0 || errno != EINVAL) return result;
    }
    return fcntl(descriptor, command, argument);
}

/// Makes SQLite lock as above, for all connections of the process. Once, before the first is opened.
static inline int sqlite_use_open_file_locks(void) {
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    if (vfs == 0 || vfs->iVersion < 3 || vfs->xSetSystemCall == 0) return SQLITE_ERROR;
    return vfs->xSetSystemCall(vfs, "fcntl", (sqlite3_syscall_ptr)sqlite_lock_by_open_file);
}

/// A busy handler that tries again twice a millisecond: a writer at full speed leaves gaps that are shorter than what
/// sqlite3_busy_timeout sleeps.
static int sqlite_try_again(void *patience, int tries) {
    struct timespec pause = {0, 500000};
    nanosleep(&pause, 0);
    return tries / 2 < (int)(intptr_t)patience;
}

/// Lets statements wait for the locks of others, about as many milliseconds as given.
static inline int sqlite_set_patience(sqlite3 *database, int milliseconds) {
    return sqlite3_busy_handler(database, sqlite_try_again, (void *)(intptr_t)milliseconds);
}
