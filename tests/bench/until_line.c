// until_line FILE TEXT COMMAND...: runs COMMAND and prints the seconds from its start until a line of FILE holds TEXT, and for how
// many of them this domain was not idle (in hundredths, as the kernel tells it).
//
// It sleeps until FILE changes, so that watching costs the watched next to nothing. Gives up after 300 s.
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char text[4 << 20];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double busy(void)
{
    double up = 0, idle = 0;
    FILE* file = fopen("/proc/uptime", "r");
    if (!file || fscanf(file, "%lf %lf", &up, &idle) != 2)
        perror("/proc/uptime");
    if (file)
        fclose(file);
    return up - idle;
}

static int holds(const char* file, const char* what)
{
    int fd = open(file, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length <= 0)
        return 0;
    return memmem(text, (size_t)length, what, strlen(what)) != NULL;
}

int main(int argc, char** argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: until_line FILE TEXT COMMAND...\n");
        return 2;
    }
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", argv[1]);
    char* slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    int watch = inotify_init1(IN_CLOEXEC);
    if (inotify_add_watch(watch, folder, IN_MODIFY | IN_CREATE) < 0) {
        perror(folder);
        return 1;
    }
    double start = now(), busy_before = busy();
    pid_t child;
    // Not by fork(): what that copies of us is no part of what COMMAND costs.
    int error = posix_spawnp(&child, argv[3], NULL, NULL, argv + 3, environ);
    if (error) {
        fprintf(stderr, "until_line: cannot start %s: %s\n", argv[3], strerror(error));
        return 127;
    }
    while (now() - start < 300) {
        if (holds(argv[1], argv[2])) {
            printf("UNTIL %.3f BUSY %.2f\n", now() - start, busy() - busy_before);
            int status = 0;
            waitpid(child, &status, 0);
            return status != 0;
        }
        struct pollfd changed = {watch, POLLIN, 0};
        char events[4096];
        if (poll(&changed, 1, 1000) > 0 && read(watch, events, sizeof events) < 0)
            return 1;
    }
    fprintf(stderr, "until_line: %s does not hold '%s'\n", argv[1], argv[2]);
    return 1;
}
