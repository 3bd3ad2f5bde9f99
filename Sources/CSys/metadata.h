#pragma once
// Extended attributes and modes of names that no descriptor can be opened on for reading: symbolic links, devices,
// FIFOs. Included by shim.h, whose conventions hold here: the negative error number on failure.

/// The path of a descriptor, or of a name below it, in the kernel's own table. A name of any bytes fits: at most 255
/// by NAME_MAX, and some file systems allow three times that.
struct sys_proc_path { char text[1100]; };

static inline int sys_make_proc_path(struct sys_proc_path *path, int descriptor, const char *name) {
    int length = snprintf(path->text, sizeof path->text, name ? "/proc/self/fd/%d/%s" : "/proc/self/fd/%d",
                          descriptor, name);
    return length < 0 || (size_t)length >= sizeof path->text ? -ENAMETOOLONG : 0;
}

/// Lists the attributes of a name in a directory, never through a final link.
static inline ssize_t sys_listxattr_at(int directory, const char *name, void *buffer, size_t size) {
    struct sys_proc_path path;
    int result = sys_make_proc_path(&path, directory, name);
    return result < 0 ? result : sys_llistxattr(path.text, buffer, size);
}
/// Reads one attribute of a name in a directory, never through a final link.
static inline ssize_t sys_getxattr_at(
    int directory, const char *name, const char *attribute, void *buffer, size_t size) {
    struct sys_proc_path path;
    int result = sys_make_proc_path(&path, directory, name);
    return result < 0 ? result : sys_lgetxattr(path.text, attribute, buffer, size);
}

// For a descriptor opened with O_PATH: its entry in the table leads to the very file, even to a symbolic link itself,
// whatever has its name meanwhile.
static inline ssize_t sys_listxattr_of(int descriptor, void *buffer, size_t size) {
    struct sys_proc_path path;
    int result = sys_make_proc_path(&path, descriptor, NULL);
    return result < 0 ? result : sys_listxattr(path.text, buffer, size);
}
static inline ssize_t sys_getxattr_of(int descriptor, const char *attribute, void *buffer, size_t size) {
    struct sys_proc_path path;
    int result = sys_make_proc_path(&path, descriptor, NULL);
    return result < 0 ? result : sys_getxattr(path.text, attribute, buffer, size);
}
static inline int sys_setxattr_of(int descriptor, const char *attribute, const void *value, size_t size) {
    struct sys_proc_path path;
    int result = sys_make_proc_path(&path, descriptor, NULL);
    return result < 0 ? result : sys_setxattr(path.text, attribute, value, size);
}
static inline int sys_removexattr_of(int descriptor, const char *attribute) {
    struct sys_proc_path path;
    int result = sys_make_proc_path(&path, descriptor, NULL);
    if (result < 0) return result;
    SYS_RETRY(int, removexattr(path.text, attribute));
}
static inline int sys_chmod_of(int descriptor, uint32_t mode) {
    struct sys_proc_path path;
    int result = sys_make_proc_path(&path, descriptor, NULL);
    if (result < 0) return result;
    SYS_RETRY(int, chmod(path.text, (mode_t)mode));
}
