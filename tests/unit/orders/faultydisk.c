/* A disk that fails, preloaded: calls on files whose path contains FAULTY_DISK_PATH are counted, and at a chosen one the
   process is killed, before it, in the middle of it or after it; or each fails for want of space, or takes its time.

   fault_set(kind, at, delay_us) chooses from inside the process; fault_count() tells how many calls there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include <stdio.h>

enum { NONE = 0, KILL_BEFORE = 1, KILL_WITHIN = 2, KILL_AFTER = 3, NO_SPACE = 4, DELAY = 5 };

static volatile int kind, calls, delay_us;
static volatile int at;

void fault_set(int new_kind, int new_at, int new_delay_us) { kind = NONE; calls = 0; at = new_at; delay_us = new_delay_us; kind = new_kind; }
int fault_count(void) { return calls; }

static int is_ours(int fd) {
    static const char *wanted;
    char link[64], path[512];
    ssize_t length;
    if (!wanted && !(wanted = getenv("FAULTY_DISK_PATH"))) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strstr(path, wanted) != NULL;
}

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

/* Whether this call is the chosen one. */
static int begins(int fd) {
    int is_it;
    if (kind == NONE || !is_ours(fd)) return 0;
    is_it = __sync_add_and_fetch(&calls, 1) == at;
    if (kind == DELAY) usleep(delay_us);
    if (is_it && kind == KILL_BEFORE) die();
    return is_it;
}

#define REAL(name, ours) static typeof(&ours) real; if (!real) real = (typeof(&ours))dlsym(RTLD_NEXT, name)

static ssize_t written(int fd, const void *from, size_t size, off_t place, typeof(&pwrite) real) {
    int is_it = begins(fd);
    ssize_t done;
    if (kind == NO_SPACE && is_ours(fd)) { errno = ENOSPC; return -1; }
    if (is_it && kind == KILL_WITHIN) { real(fd, from, size / 2, place); die(); }
    done = real(fd, from, size, place);
    if (is_it && kind == KILL_AFTER) die();
    return done;
}

ssize_t pwrite64(int fd, const void *from, size_t size, off_t place) {
    REAL("pwrite64", pwrite64);
    return written(fd, from, size, place, real);
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t place) {
    REAL("pwrite", pwrite);
    return written(fd, from, size, place, real);
}

#define PLAIN(name, arguments, pass) \
    int name arguments { \
        REAL(#name, name); \
        int is_it = begins(fd), done; \
        if (is_it && kind == KILL_WITHIN) die(); \
        done = real pass; \
        if (is_it && kind == KILL_AFTER) die(); \
        return done; \
    }

PLAIN(fsync, (int fd), (fd))
PLAIN(fdatasync, (int fd), (fd))
PLAIN(ftruncate, (int fd, off_t size), (fd, size))
PLAIN(ftruncate64, (int fd, off_t size), (fd, size))
