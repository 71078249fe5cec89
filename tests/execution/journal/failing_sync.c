/* LD_PRELOAD: fdatasync fails with EIO once $FAIL_FILE exists, and each failing call is counted by a
 * byte in $COUNT_FILE. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int descriptor)
{
    const char *fail = getenv("FAIL_FILE");
    if (fail != NULL && access(fail, F_OK) == 0) {
        int count = open(getenv("COUNT_FILE"), O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (count >= 0) {
            if (write(count, "x", 1) != 1)
                abort();
            close(count);
        }
        errno = EIO;
        return -1;
    }
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return next(descriptor);
}
