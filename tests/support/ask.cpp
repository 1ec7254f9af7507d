// Says one line to a guest's channel, and prints what comes back, for tests/system/channels.py.
//
//   ask PATH WORDS          a Unix socket or a terminal; one line of an answer
//   ask PATH WORDS LAST     until a line is LAST; where a connection ends before, the next one goes on
//
// It gives up after a while, by SIGALRM.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

namespace {

constexpr unsigned seconds_for_a_line = 10;
constexpr unsigned seconds_for_all = 120;
constexpr unsigned between_attempts_us = 20'000;

int open_terminal(const char* path)
{
    int terminal = open(path, O_RDWR | O_NOCTTY);
    termios settings{};
    if (terminal >= 0 && tcgetattr(terminal, &settings) == 0) {
        cfmakeraw(&settings);
        tcsetattr(terminal, TCSANOW, &settings);
    }
    return terminal;
}

int connect_socket(const char* path)
{
    int peer = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(peer, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return peer;
    close(peer);
    return -1;
}

/// The daemon may be on its way back: what is not there is tried again.
int open_channel(const char* path)
{
    for (;;) {
        struct stat about {};
        const bool is_terminal = stat(path, &about) == 0 && S_ISCHR(about.st_mode);
        const int channel = is_terminal ? open_terminal(path) : connect_socket(path);
        if (channel >= 0)
            return channel;
        usleep(between_attempts_us);
    }
}

} // namespace

int main(int count, char** words)
{
    if (count != 3 && count != 4) {
        std::fputs("ask: expected PATH WORDS [LAST]\n", stderr);
        return 2;
    }
    alarm(count == 4 ? seconds_for_all : seconds_for_a_line);
    setvbuf(stdout, nullptr, _IOLBF, 0);
    int channel = open_channel(words[1]);
    const std::string question = std::string(words[2]) + "\n";
    if (write(channel, question.data(), question.size()) != static_cast<ssize_t>(question.size()))
        return 1;
    std::string line; // goes on where a connection has ended within it
    for (;;) {
        char letter = 0;
        if (read(channel, &letter, 1) != 1) {
            close(channel);
            channel = open_channel(words[1]);
            continue;
        }
        if (letter != '\n') {
            line.push_back(letter);
            continue;
        }
        std::puts(line.c_str());
        if (count == 3 || line == words[3])
            return 0;
        line.clear();
    }
}
