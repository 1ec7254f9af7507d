// store_echo SOCKET: answers every request of the store's protocol at once, and keeps no store.
//
// What it costs is what the kernel takes to carry a request to a daemon and its reply back, one sleep, one read and one write each:
// the least that any xenstored can come to (tests/bench/store.py). It trusts its clients, who are the benchmark's own.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// xen/include/public/io/xs_wire.h
enum { XS_READ = 2, XS_TRANSACTION_START = 6 };
struct header {
    uint32_t type, req_id, tx_id, len;
};

static int watch_fd(int loop, int fd)
{
    struct epoll_event readable = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &readable);
}

static int listen_at(const char* path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr*)&address, sizeof address) != 0 || listen(fd, 128) != 0)
        return -1;
    return fd;
}

/// @return 0 once the client has gone, or sent what is not one whole request
static int answer(int fd)
{
    char bytes[sizeof(struct header) + 4096];
    struct header* message = (struct header*)bytes;
    const ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if (got < (ssize_t)sizeof *message || got != (ssize_t)(sizeof *message + message->len))
        return 0;
    char* payload = bytes + sizeof *message;
    if (message->type == XS_TRANSACTION_START)
        memcpy(payload, "1", message->len = 2);
    else if (message->type == XS_READ)
        memcpy(payload, "0", message->len = 1);
    else
        memcpy(payload, "OK", message->len = 3);
    const size_t size = sizeof *message + message->len;
    return send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

int main(int argc, char** argv)
{
    const int loop = epoll_create1(0);
    const int door = argc == 2 ? listen_at(argv[1]) : -1;
    if (loop < 0 || door < 0 || watch_fd(loop, door) != 0) {
        perror("store_echo SOCKET");
        return 2;
    }
    for (;;) {
        struct epoll_event ready[16];
        const int count = epoll_wait(loop, ready, 16, -1);
        for (int i = 0; i < count; ++i) {
            const int fd = ready[i].data.fd;
            if (fd == door)
                watch_fd(loop, accept(door, NULL, NULL));
            else if (!answer(fd))
                close(fd);
        }
    }
}
