#pragma once
// Child processes, terminals and signals: what Glibc's Swift overlay imports as mutable globals, unions or macros.
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>

extern char **environ;

/// Starts a program found in PATH with its standard output in `output`. The child gets the default signal handling
/// and mask, whatever this process set, and shares everything else. The negative error number on failure.
static inline int sys_spawn(const char *const *arguments, int output, int32_t *process) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t id = 0;
    int result = posix_spawnp(&id, arguments[0], &actions, &attributes, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    *process = (int32_t)id;
    return -result;
}

/// Starts a program found in PATH that has the terminal: it shares everything with this process, the process group too,
/// so that the keys of the terminal reach it. Signals that this process blocks, and broken pipes and SIGQUIT where only
/// this process ignores them, are as usual in it. `output` is its standard output. The negative error number on failure.
static inline int sys_spawn_beside(const char *const *arguments, int output, int ignores_quit, int32_t *process) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    if (!ignores_quit) sigaddset(&usual, SIGQUIT);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (output != 1) posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t id = 0;
    int result = posix_spawnp(&id, arguments[0], &actions, &attributes, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    *process = (int32_t)id;
    return -result;
}
/// Ignores SIGQUIT, or takes it as usual; whether it was ignored before.
static inline int sys_ignore_quit(int ignored) { return signal(SIGQUIT, ignored ? SIG_IGN : SIG_DFL) == SIG_IGN; }
/// Waits until a child has ended, and leaves it to `sys_wait` to say how.
static inline void sys_wait_end(int32_t process) {
    siginfo_t info;
    while (waitid(P_PID, (id_t)process, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {}
}

/// Starts a program found in PATH as the leader of a process group of its own, so that it can be ended with all that it
/// started. `directory` may be NULL. The negative error number on failure.
static inline int sys_spawn_group(
    const char *const *arguments, const char *const *environment, const char *directory, int input, int output,
    int messages, int32_t *process) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, messages, 2);
    if (directory) posix_spawn_file_actions_addchdir_np(&actions, directory);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    pid_t id = 0;
    int result = posix_spawnp(
        &id, arguments[0], &actions, &attributes, (char *const *)arguments, (char *const *)environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    *process = (int32_t)id;
    return -result;
}

/// The variable of a number in the environment of this process; NULL behind the last.
static inline const char *sys_environment(int number) { return environ[number]; }

/// Looks whether a child has ended: -EAGAIN while it runs, else as `sys_wait`.
static inline int sys_wait_now(int32_t process) {
    int status = 0;
    pid_t result;
    do { result = waitpid(process, &status, WNOHANG); } while (result < 0 && errno == EINTR);
    if (result < 0) return -errno;
    if (result == 0) return -EAGAIN;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/// Waits for a child. Its exit status, 256 + the signal that ended it, or the negative error number.
static inline int sys_wait(int32_t process) {
    int status = 0;
    pid_t result;
    do { result = waitpid(process, &status, 0); } while (result < 0 && errno == EINTR);
    if (result < 0) return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/// Two descriptors that no child inherits.
static inline int sys_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0; }

/// Waits until a descriptor can be read, at most some milliseconds: 1, 0 for the time being over, or an error.
static inline int sys_wait_readable(int descriptor, int milliseconds) {
    struct pollfd entry = {.fd = descriptor, .events = POLLIN};
    SYS_RETRY(int, poll(&entry, 1, milliseconds));
}

/// The columns of a terminal; 0 where it does not say.
static inline int sys_terminal_columns(int descriptor) {
    struct winsize size;
    return ioctl(descriptor, TIOCGWINSZ, &size) < 0 ? 0 : size.ws_col;
}

/// Switches the echo of a terminal off and keeps the former state in `former`.
static inline int sys_terminal_hide(int descriptor, struct termios *former) {
    if (tcgetattr(descriptor, former) < 0) return -errno;
    struct termios hidden = *former;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    hidden.c_lflag |= ICANON | ISIG;
    return tcsetattr(descriptor, TCSAFLUSH, &hidden) < 0 ? -errno : 0;
}
/// The state of a terminal.
static inline int sys_terminal_state(int descriptor, struct termios *state) {
    return tcgetattr(descriptor, state) < 0 ? -errno : 0;
}
static inline int sys_terminal_restore(int descriptor, const struct termios *former) {
    return tcsetattr(descriptor, TCSAFLUSH, former) < 0 ? -errno : 0;
}

/// Keeps a signal from ending the process or interrupting calls: it is left to `sys_next_signal`.
static inline void sys_block_signals(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int index = 0; index < count; index++) sigaddset(&set, signals[index]);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}
/// Waits for one of the blocked signals; its number, and whether it came from the system, as those of a terminal do.
static inline int sys_next_signal(const int *signals, int count, int *from_system) {
    sigset_t set;
    siginfo_t info;
    int number;
    sigemptyset(&set);
    for (int index = 0; index < count; index++) sigaddset(&set, signals[index]);
    do { number = sigwaitinfo(&set, &info); } while (number < 0);
    *from_system = info.si_code == SI_KERNEL;
    return number;
}
static inline void sys_ignore_broken_pipes(void) { signal(SIGPIPE, SIG_IGN); }

static inline int sys_is_root(void) { return geteuid() == 0; }
/// Whether this process may write there, by its effective ids.
static inline int sys_can_write(const char *path) {
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/// Makes a terminal of our own (pty(7)); the descriptor of its master, and the path of its other end in `name`.
static inline int sys_open_pseudoterminal(char *name, size_t size) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0) return -errno;
    if (grantpt(master) == 0 && unlockpt(master) == 0 && ptsname_r(master, name, size) == 0) return master;
    int number = errno;
    close(master);
    return -number;
}
/// Lets a child start in a directory.
static inline int sys_spawn_in(posix_spawn_file_actions_t *actions, const char *directory) {
    return -posix_spawn_file_actions_addchdir_np(actions, directory);
}
