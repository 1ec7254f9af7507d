// xenstored with domains that are files: in the folder $FAKE_DOMAINS, `ring-N` is the page of domain N, which exists as
// long as the file does and has shut down when there is also `down-N`. Events arrive as datagrams at `events`: a
// domain's number, or 0xFFFF for "look at the states". Domains look at their pages by themselves.
#include "xenstore/daemon/serve.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

namespace xylem::xenstore {

namespace {

class FileDomains : public Domains {
public:
    explicit FileDomains(std::string folder) : folder_(std::move(folder))
    {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = folder_ + "/events";
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        unlink(path.c_str());
        events_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (bind(events_, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
            throw std::system_error(errno, std::generic_category(), path);
    }

    int fd() const override { return events_; }
    RingLink::Page& connect_own_kernel() override { return connect(DomId(0), Gfn(0), Port(0)); }
    RingLink::Page& connect(DomId domain, Gfn, Port) override
    {
        const int file = open(path_of("ring", domain).c_str(), O_RDWR | O_CLOEXEC);
        if (file < 0)
            throw std::system_error(errno, std::generic_category(), path_of("ring", domain));
        void* page = mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        pages_[domain] = page;
        return *static_cast<RingLink::Page*>(page);
    }
    void rebind(DomId, Port) override {}
    void disconnect(DomId domain) override
    {
        munmap(pages_.at(domain), page_size);
        pages_.erase(domain);
    }
    void notify(DomId) override {}
    bool exists(DomId domain) override { return std::filesystem::exists(path_of("ring", domain)); }
    std::map<DomId, DomainState> states_of(const std::vector<DomId>& domains) override
    {
        std::map<DomId, DomainState> states;
        for (DomId domain : domains)
            states[domain] = !exists(domain)                                    ? DomainState::gone
                             : std::filesystem::exists(path_of("down", domain)) ? DomainState::shut_down
                                                                                : DomainState::running;
        return states;
    }
    News take_events() override
    {
        News news;
        u16 number = 0;
        while (recv(events_, &number, sizeof number, 0) == sizeof number)
            if (number == 0xFFFF)
                news.states_changed = true;
            else
                news.domains.push_back(DomId(number));
        return news;
    }

private:
    std::string path_of(const char* what, DomId domain) const
    {
        return folder_ + "/" + what + "-" + std::to_string(domain.value);
    }

    std::string folder_;
    int events_;
    std::map<DomId, void*> pages_;
};

}

}

int main(int argc, char** argv)
{
    using namespace xylem::xenstore;
    return serve(argc, argv, [] { return std::make_unique<FileDomains>(std::getenv("FAKE_DOMAINS")); });
}
