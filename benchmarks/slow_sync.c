/* Preloaded, it makes every sync of the process take SLOW_SYNC_US microseconds longer, as on a disk that really waits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

typedef int (*sync_function)(int);

static int slow(const char *name, int fd)
{
    sync_function sync = (sync_function)dlsym(RTLD_NEXT, name);
    const char *extra = getenv("SLOW_SYNC_US");
    if (extra)
        usleep((useconds_t)atoi(extra));
    return sync(fd);
}

int fsync(int fd) { return slow("fsync", fd); }

int fdatasync(int fd) { return slow("fdatasync", fd); }
