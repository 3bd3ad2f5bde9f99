#pragma once
// What Glibc's Swift overlay lacks or cannot import: thin static inline wrappers over system calls and constants that
// are macros. Every sys_ function that can fail returns the negative error number, so that nothing can come between
// a failure and reading errno; calls that a signal interrupts are made again.
//
// _GNU_SOURCE is not defined here: it changes structures of the C library, which then differ from those of the module
// Glibc. What only it declares is taken from the kernel's headers and called by number (64-bit machines only).
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>
/// Lets the process open as many files as it may: a walk holds one descriptor for each level of nesting.
static inline void sys_raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

#include "blake2b_lanes.h"

// MARK: errno

/// The C library's words for an error number, in `buffer`.
static inline const char *sys_error_text(int number, char *buffer, size_t size) {
    return strerror_r(number, buffer, size) == 0 ? buffer : "unknown error";
}

/// Runs a call until no signal interrupts it; its result, or the negative error number.
#define SYS_RETRY(type, call)                      \
    do {                                           \
        type result_;                              \
        do {                                       \
            result_ = (call);                      \
        } while (result_ < 0 && errno == EINTR);   \
        return result_ < 0 ? -(type)errno : result_; \
    } while (0)

// MARK: constants

static const int SYS_O_RDONLY = O_RDONLY, SYS_O_WRONLY = O_WRONLY, SYS_O_RDWR = O_RDWR;
static const int SYS_O_CREAT = O_CREAT, SYS_O_EXCL = O_EXCL, SYS_O_TRUNC = O_TRUNC, SYS_O_APPEND = O_APPEND;
static const int SYS_O_CLOEXEC = O_CLOEXEC, SYS_O_NONBLOCK = O_NONBLOCK, SYS_O_NOCTTY = O_NOCTTY;
static const int SYS_O_NOATIME = __O_NOATIME, SYS_O_DIRECTORY = O_DIRECTORY, SYS_O_NOFOLLOW = O_NOFOLLOW;
static const int SYS_O_PATH = __O_PATH, SYS_O_TMPFILE = __O_TMPFILE | O_DIRECTORY;
static const int SYS_AT_FDCWD = AT_FDCWD, SYS_AT_SYMLINK_NOFOLLOW = AT_SYMLINK_NOFOLLOW;
static const int SYS_AT_EMPTY_PATH = 0x1000, SYS_AT_REMOVEDIR = AT_REMOVEDIR;
static const int SYS_AT_SYMLINK_FOLLOW = AT_SYMLINK_FOLLOW, SYS_AT_NO_AUTOMOUNT = 0x800;
static const int SYS_SEEK_DATA = 3, SYS_SEEK_HOLE = 4;
static const unsigned SYS_RENAME_NOREPLACE = 1, SYS_RENAME_EXCHANGE = 2;
static const uint64_t SYS_RESOLVE_NO_XDEV = 0x01, SYS_RESOLVE_NO_MAGICLINKS = 0x02;
static const uint64_t SYS_RESOLVE_NO_SYMLINKS = 0x04, SYS_RESOLVE_BENEATH = 0x08;
static const uint32_t SYS_FS_IMMUTABLE = 0x10, SYS_FS_APPEND = 0x20, SYS_FS_NODUMP = 0x40, SYS_FS_NOATIME = 0x80;
static const uint32_t SYS_FS_NOCOW = 0x00800000;
static const uint8_t SYS_DT_UNKNOWN = 0, SYS_DT_FIFO = 1, SYS_DT_CHR = 2, SYS_DT_DIR = 4, SYS_DT_BLK = 6;
static const uint8_t SYS_DT_REG = 8, SYS_DT_LNK = 10, SYS_DT_SOCK = 12;
static const int64_t SYS_UTIME_NOW = UTIME_NOW, SYS_UTIME_OMIT = UTIME_OMIT;

// MARK: opening and naming

static inline int sys_openat(int directory, const char *path, int flags, uint32_t mode) {
    SYS_RETRY(int, openat(directory, path, flags | O_CLOEXEC, (mode_t)mode));
}

/// `struct open_how` of openat2(2); Linux 5.6. ENOSYS before that.
static inline int sys_openat2(int directory, const char *path, int flags, uint32_t mode, uint64_t resolve) {
    struct { uint64_t flags, mode, resolve; } how = {(uint64_t)(uint32_t)(flags | O_CLOEXEC), mode, resolve};
    SYS_RETRY(int, (int)syscall(437, directory, path, &how, sizeof how));
}

/// Never made again: after EINTR the descriptor is gone.
static inline int sys_close(int descriptor) { return close(descriptor) < 0 ? -errno : 0; }

static inline int sys_renameat2(int from, const char *path, int to, const char *new_path, unsigned flags) {
    SYS_RETRY(int, (int)syscall(SYS_renameat2, from, path, to, new_path, flags));
}
static inline int sys_linkat(int from, const char *path, int to, const char *new_path, int flags) {
    SYS_RETRY(int, linkat(from, path, to, new_path, flags));
}
static inline int sys_unlinkat(int directory, const char *path, int flags) {
    SYS_RETRY(int, unlinkat(directory, path, flags));
}
static inline int sys_mkdirat(int directory, const char *path, uint32_t mode) {
    SYS_RETRY(int, mkdirat(directory, path, (mode_t)mode));
}
static inline int sys_symlinkat(const char *target, int directory, const char *path) {
    SYS_RETRY(int, symlinkat(target, directory, path));
}
static inline int sys_mknodat(int directory, const char *path, uint32_t mode, uint64_t device) {
    SYS_RETRY(int, mknodat(directory, path, (mode_t)mode, (dev_t)device));
}
static inline ssize_t sys_readlinkat(int directory, const char *path, void *buffer, size_t size) {
    SYS_RETRY(ssize_t, readlinkat(directory, path, (char *)buffer, size));
}

// MARK: data

static inline ssize_t sys_read(int descriptor, void *buffer, size_t count) {
    SYS_RETRY(ssize_t, read(descriptor, buffer, count));
}
static inline ssize_t sys_write(int descriptor, const void *buffer, size_t count) {
    SYS_RETRY(ssize_t, write(descriptor, buffer, count));
}
static inline ssize_t sys_pread(int descriptor, void *buffer, size_t count, int64_t offset) {
    SYS_RETRY(ssize_t, pread(descriptor, buffer, count, (off_t)offset));
}
static inline ssize_t sys_pwrite(int descriptor, const void *buffer, size_t count, int64_t offset) {
    SYS_RETRY(ssize_t, pwrite(descriptor, buffer, count, (off_t)offset));
}
static inline int64_t sys_lseek(int descriptor, int64_t offset, int whence) {
    SYS_RETRY(int64_t, lseek(descriptor, (off_t)offset, whence));
}
static inline int sys_ftruncate(int descriptor, int64_t size) {
    SYS_RETRY(int, ftruncate(descriptor, (off_t)size));
}
static inline int sys_fdatasync(int descriptor) { SYS_RETRY(int, fdatasync(descriptor)); }
static inline int sys_fsync(int descriptor) { SYS_RETRY(int, fsync(descriptor)); }
/// Makes everything durable that was written to the file system of an open file.
static inline int sys_syncfs(int descriptor) { SYS_RETRY(int, (int)syscall(SYS_syncfs, descriptor)); }
/// Locks an open file for this descriptor alone until it is closed; does not wait.
static inline int sys_lock(int descriptor) { SYS_RETRY(int, (int)syscall(SYS_flock, descriptor, 2 | 4)); }
/// Gives the lock up also where a child that was just forked still has a copy of the descriptor.
static inline void sys_unlock(int descriptor) { syscall(SYS_flock, descriptor, 8); }

/// Starts write-back of a range and does not wait for it; a count of 0 means to the end of the file.
static inline int sys_start_writeback(int descriptor, int64_t offset, int64_t count) {
    const unsigned write = 2; // SYNC_FILE_RANGE_WRITE
    SYS_RETRY(int, (int)syscall(SYS_sync_file_range, descriptor, offset, count, write));
}

// MARK: directories

/// Fills `buffer` with linux_dirent64 records; the number of bytes, 0 at the end.
static inline ssize_t sys_getdents64(int descriptor, void *buffer, size_t size) {
    SYS_RETRY(ssize_t, syscall(SYS_getdents64, descriptor, buffer, size));
}
// The record: inode (8 bytes), offset (8), record length (2), type (1), the name with its NUL.
static inline uint64_t sys_dirent_inode(const void *record) {
    uint64_t value;
    memcpy(&value, record, sizeof value);
    return value;
}
static inline uint16_t sys_dirent_length(const void *record) {
    uint16_t value;
    memcpy(&value, (const char *)record + 16, sizeof value);
    return value;
}
static inline uint8_t sys_dirent_type(const void *record) { return ((const uint8_t *)record)[18]; }
static inline const char *sys_dirent_name(const void *record) { return (const char *)record + 19; }

// MARK: status

/// What varve uses of struct stat, in types that are the same on every machine.
struct sys_status {
    uint64_t device, inode, size, blocks512, special_device;
    uint32_t mode, links, user, group;
    int64_t modified_seconds, changed_seconds;
    uint32_t modified_nanoseconds, changed_nanoseconds;
    uint32_t block_size, reserved;
};

static inline void sys_fill_status(const struct stat *from, struct sys_status *status) {
    status->device = from->st_dev;
    status->inode = from->st_ino;
    status->size = (uint64_t)from->st_size;
    status->blocks512 = (uint64_t)from->st_blocks;
    status->special_device = from->st_rdev;
    status->mode = from->st_mode;
    status->links = (uint32_t)from->st_nlink;
    status->user = from->st_uid;
    status->group = from->st_gid;
    status->modified_seconds = from->st_mtim.tv_sec;
    status->changed_seconds = from->st_ctim.tv_sec;
    status->modified_nanoseconds = (uint32_t)from->st_mtim.tv_nsec;
    status->changed_nanoseconds = (uint32_t)from->st_ctim.tv_nsec;
    status->block_size = (uint32_t)from->st_blksize;
    status->reserved = 0;
}
static inline int sys_fstatat(int directory, const char *path, struct sys_status *status, int flags) {
    struct stat raw;
    int result;
    do { result = fstatat(directory, path, &raw, flags); } while (result < 0 && errno == EINTR);
    if (result < 0) return -errno;
    sys_fill_status(&raw, status);
    return 0;
}
static inline int sys_fstat(int descriptor, struct sys_status *status) {
    struct stat raw;
    int result;
    do { result = fstat(descriptor, &raw); } while (result < 0 && errno == EINTR);
    if (result < 0) return -errno;
    sys_fill_status(&raw, status);
    return 0;
}

static inline int sys_is_regular(uint32_t mode) { return S_ISREG(mode); }
static inline int sys_is_directory(uint32_t mode) { return S_ISDIR(mode); }
static inline int sys_is_symlink(uint32_t mode) { return S_ISLNK(mode); }
static inline int sys_is_fifo(uint32_t mode) { return S_ISFIFO(mode); }
static inline int sys_is_socket(uint32_t mode) { return S_ISSOCK(mode); }
static inline int sys_is_block_device(uint32_t mode) { return S_ISBLK(mode); }
static inline int sys_is_character_device(uint32_t mode) { return S_ISCHR(mode); }
static inline uint64_t sys_makedev(uint32_t major_, uint32_t minor_) { return makedev(major_, minor_); }
static inline uint32_t sys_major(uint64_t device) { return major(device); }
static inline uint32_t sys_minor(uint64_t device) { return minor(device); }

/// The magic number of the file system, as in statfs(2).
static inline int64_t sys_file_system(int descriptor) {
    struct statfs raw;
    if (fstatfs(descriptor, &raw) < 0) return -(int64_t)errno;
    return (int64_t)(uint32_t)raw.f_type;
}
/// Bytes that an ordinary user can still write.
static inline int64_t sys_free_space(const char *path) {
    struct statvfs raw;
    if (statvfs(path, &raw) < 0) return -(int64_t)errno;
    return (int64_t)raw.f_bavail * (int64_t)raw.f_frsize;
}

/// Takes the lock of an open file, or says at once that another one has it (-EWOULDBLOCK).
static inline int sys_try_lock(int descriptor) { SYS_RETRY(int, flock(descriptor, LOCK_EX | LOCK_NB)); }

// MARK: metadata

static inline int sys_fchmod(int descriptor, uint32_t mode) { SYS_RETRY(int, fchmod(descriptor, (mode_t)mode)); }
static inline int sys_fchownat(int directory, const char *path, uint32_t user, uint32_t group, int flags) {
    SYS_RETRY(int, fchownat(directory, path, user, group, flags));
}
/// Nanoseconds may be SYS_UTIME_NOW or SYS_UTIME_OMIT.
static inline int sys_utimensat(
    int directory, const char *path, int64_t access_seconds, int64_t access_nanoseconds, int64_t modified_seconds,
    int64_t modified_nanoseconds, int flags) {
    struct timespec times[2] = {
        {.tv_sec = access_seconds, .tv_nsec = access_nanoseconds},
        {.tv_sec = modified_seconds, .tv_nsec = modified_nanoseconds}};
    SYS_RETRY(int, utimensat(directory, path, times, flags));
}
static inline int sys_futimens(
    int descriptor, int64_t access_seconds, int64_t access_nanoseconds, int64_t modified_seconds,
    int64_t modified_nanoseconds) {
    struct timespec times[2] = {
        {.tv_sec = access_seconds, .tv_nsec = access_nanoseconds},
        {.tv_sec = modified_seconds, .tv_nsec = modified_nanoseconds}};
    SYS_RETRY(int, futimens(descriptor, times));
}

// Extended attributes: by descriptor, and by path without following a final link (a path below /proc/self/fd reaches
// a descriptor opened with O_PATH: use the get, list and set forms that follow it).
static inline ssize_t sys_fgetxattr(int descriptor, const char *name, void *buffer, size_t size) {
    SYS_RETRY(ssize_t, fgetxattr(descriptor, name, buffer, size));
}
static inline ssize_t sys_flistxattr(int descriptor, void *buffer, size_t size) {
    SYS_RETRY(ssize_t, flistxattr(descriptor, (char *)buffer, size));
}
static inline int sys_fsetxattr(int descriptor, const char *name, const void *value, size_t size) {
    SYS_RETRY(int, fsetxattr(descriptor, name, value, size, 0));
}
static inline int sys_fremovexattr(int descriptor, const char *name) {
    SYS_RETRY(int, fremovexattr(descriptor, name));
}
static inline ssize_t sys_lgetxattr(const char *path, const char *name, void *buffer, size_t size) {
    SYS_RETRY(ssize_t, lgetxattr(path, name, buffer, size));
}
static inline ssize_t sys_llistxattr(const char *path, void *buffer, size_t size) {
    SYS_RETRY(ssize_t, llistxattr(path, (char *)buffer, size));
}
static inline int sys_lsetxattr(const char *path, const char *name, const void *value, size_t size) {
    SYS_RETRY(int, lsetxattr(path, name, value, size, 0));
}
static inline ssize_t sys_getxattr(const char *path, const char *name, void *buffer, size_t size) {
    SYS_RETRY(ssize_t, getxattr(path, name, buffer, size));
}
static inline ssize_t sys_listxattr(const char *path, void *buffer, size_t size) {
    SYS_RETRY(ssize_t, listxattr(path, (char *)buffer, size));
}
static inline int sys_setxattr(const char *path, const char *name, const void *value, size_t size) {
    SYS_RETRY(int, setxattr(path, name, value, size, 0));
}

/// The inode flags of chattr(1). The kernel reads and writes an int, whatever the request's type says.
static inline int sys_get_inode_flags(int descriptor, uint32_t *flags) {
    int value = 0;
    if (ioctl(descriptor, FS_IOC_GETFLAGS, &value) < 0) return -errno;
    *flags = (uint32_t)value;
    return 0;
}
static inline int sys_set_inode_flags(int descriptor, uint32_t flags) {
    int value = (int)flags;
    return ioctl(descriptor, FS_IOC_SETFLAGS, &value) < 0 ? -errno : 0;
}

// MARK: process

/// The processors that this process may use.
static inline int sys_processor_count(void) {
    uint64_t set[128] = {0};
    if (syscall(SYS_sched_getaffinity, 0, sizeof set, set) < 0) return 1;
    int count = 0;
    for (size_t word = 0; word < sizeof set / sizeof set[0]; word++) count += __builtin_popcountll(set[word]);
    return count;
}

/// Keeps buffers of up to 32 MiB in the heap: cryptography allocates one a call, and mapping it anew each time costs
/// more than the encryption itself.
static inline void sys_tune_malloc(void) {
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_TOP_PAD, 1 << 20); // the heap grows by more than a page or two at a time
}
static inline void sys_trim_malloc(void) { malloc_trim(0); }

/// Fills the buffer with random bytes of the kernel, however many calls that takes.
static inline int sys_random(void *buffer, size_t count) {
    size_t done = 0;
    while (done < count) {
        ssize_t result = getrandom((char *)buffer + done, count - done, 0);
        if (result < 0 && errno != EINTR) return -errno;
        if (result > 0) done += (size_t)result;
    }
    return 0;
}

/// No core dumps and no debugger of the same user while keys are in memory.
static inline int sys_forbid_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0; }

#include "blake2b_lanes.h"
#include "memory.h"
#include "metadata.h"

#include "process.h"
