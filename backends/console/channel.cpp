// See channel.hpp.
#include "backends/console/channel.hpp"

#include "backends/console/pty.hpp"
#include "backends/console/unix_socket.hpp"

namespace xylem::backends::console {

Channel::Channel(DeviceSeams seams, DevicePlace place, DeviceEvents events)
    : seams_(std::move(seams)), place_(std::move(place)), events_(std::move(events)),
      name_(fmt::format("console {}/{}", place_.peer.value, place_.number))
{
}

Channel::~Channel() = default;

std::string Channel::own(const char* node) const
{
    return seams_.store.read(place_.back + "/" + node).value_or("");
}

std::unique_ptr<Terminal> Channel::make_terminal()
{
    const std::size_t limit = backlog_limit(seams_.store, place_.front);
    const std::string connection = own("connection");
    if (connection == "pty")
        return std::make_unique<Pty>(seams_.loop, limit);
    if (connection == "socket")
        return std::make_unique<UnixSocket>(seams_.loop, own("path"), limit);
    throw std::runtime_error(
        fmt::format("the node {}/connection holds '{}'; expected pty or socket", place_.back, connection));
}

Entries Channel::prepare()
{
    terminal_ = make_terminal();
    if (own("connection") == "pty")
        seams_.store.update(place_.front, {{"tty", terminal_->path()}});
    log("{}: channel '{}' on {}", name_, own("name"), terminal_->path());
    return {};
}

Entries Channel::connect(Begin begin)
{
    page_ = map_ring(seams_, place_.front);
    auto signal = seams_.bind(Port(wanted_number(seams_.store, place_.front + "/port")), [this] {
        if (guest_)
            guest_->serve();
    });
    if (begin == Begin::resumed) // the predecessor may have died between releasing and telling
        signal->notify();
    guest_ = std::make_unique<Guest>(GuestParts{seams_.loop, page_.data(), *terminal_, "", 0, name_,
                                                [this](const char* why) { events_.on_broken(why); }});
    guest_->set_signal(std::move(signal));
    guest_->serve();
    return {};
}

bool Channel::disconnect()
{
    guest_.reset();
    page_ = {};
    if (!terminal_)
        remove_leftover();
    return true;
}

/// A device that ends before we have begun with it may have had a predecessor, which was killed.
void Channel::remove_leftover()
{
    try {
        if (own("connection") == "socket")
            remove_leftover_socket(own("path"));
    } catch (const std::exception&) {
        // Somebody else's: it stays.
    }
}

bool is_channel(Store& store, DomId domain, unsigned number)
{
    return number != 0 &&
           store.read(fmt::format("/local/domain/{}/device/console/{}/type", domain.value, number)) != "ioemu";
}

}
