// See device_host.hpp.
#include "backends/lib/device_host.hpp"

#include "backends/lib/log.hpp"

#include <algorithm>
#include <charconv>

namespace xylem::backends {

static constexpr auto retry_delay = std::chrono::milliseconds(100);
/// Less than a toolstack waits (10 s), so that it can tell its user why.
static constexpr auto patience = std::chrono::seconds(5);

/// One device and its place in the handshake.
class DeviceHost::Attachment {
public:
    Attachment(DeviceHost& host, Key key);
    ~Attachment() { store().unwatch(front_state()); }

    /// Looks at the store and does what is next.
    /// @return false  the device has gone
    bool update();
    void quiesce() { device_->quiesce(); }
    bool idle() const { return device_->idle(); }

private:
    Store& store() { return host_.store_; }
    std::string front_state() const { return place_.front + "/state"; }
    XenbusState state_at(const std::string& folder);
    Seen look();

    void make_device();
    void perform(Step step);
    bool prepare();
    void advertise(Entries nodes);
    void connect(Device::Begin begin);
    void close(Stage to, XenbusState state);
    void fail(const std::string& why);
    void refuse(const std::string& why);
    void write(const Entries& nodes) { store().update(place_.back, nodes); }
    /// A guest can open and close its device all day long: what it makes us say is limited.
    template <typename... Arguments> void say(fmt::format_string<Arguments...> format, Arguments&&... arguments)
    {
        if (log_limit_.allows())
            log("{}: {}", name_, fmt::format(format, std::forward<Arguments>(arguments)...));
    }
    void write_state(XenbusState state, Entries nodes = {});

    DeviceHost& host_;
    Key key_;
    DevicePlace place_;
    std::string name_;
    std::unique_ptr<Device> device_;
    Entries features_;
    Stage stage_ = Stage::fresh;
    std::optional<std::chrono::steady_clock::time_point> give_up_; ///< set by the first try
    LogLimit log_limit_{20};
    EventLoop::Timer retry_;
};

DeviceHost::Attachment::Attachment(DeviceHost& host, Key key) : host_(host), key_(key)
{
    place_.peer = DomId(key.first);
    place_.number = key.second;
    place_.back = fmt::format("{}/{}/{}", host.folder_, key.first, key.second);
    place_.front = store()
                       .read(place_.back + "/frontend")
                       .value_or(fmt::format("/local/domain/{}/device/{}/{}", key.first, host.type_, key.second));
    name_ = fmt::format("{} {}/{}", host.type_, key.first, key.second);
    make_device();
    store().watch(front_state(), [this](const std::string&) { host_.update_soon(key_); });
}

void DeviceHost::Attachment::make_device()
{
    // Not from within the device's own code: it may be deep in a ring that is about to be unmapped.
    const auto soon = [host = host_.self_, key = key_](auto action) {
        if (*host)
            (*host)->loop_.defer([host, key, action] {
                if (!*host)
                    return;
                if (const auto found = (*host)->attachments_.find(key); found != (*host)->attachments_.end())
                    action(*found->second);
            });
    };
    device_ = host_.factory_(place_, DeviceEvents{[host = host_.self_, key = key_] {
                                                      if (*host) {
                                                          (*host)->update_soon(key);
                                                          (*host)->check_idle();
                                                      }
                                                  },
                                                  [soon](const std::string& reason) {
                                                      soon([reason](Attachment& self) { self.refuse(reason); });
                                                  }});
}

XenbusState DeviceHost::Attachment::state_at(const std::string& folder)
{
    const auto number = read_number(store(), folder + "/state");
    return number && *number <= 8 ? static_cast<XenbusState>(*number) : XenbusState::unknown;
}

Seen DeviceHost::Attachment::look()
{
    Seen seen;
    seen.exists = store().read(place_.back + "/frontend").has_value();
    if (!seen.exists)
        return seen;
    seen.online = read_number(store(), place_.back + "/online").value_or(1) != 0;
    seen.own = state_at(place_.back);
    seen.front = state_at(place_.front);
    return seen;
}

bool DeviceHost::Attachment::update()
{
    const Step step = next_step(stage_, look());
    if (step == Step::forget || step == Step::renew) {
        if (!device_->disconnect())
            return true; // called again when idle
        say("removed");
        if (step == Step::renew)
            host_.update_soon(key_);
        return false;
    }
    perform(step);
    return true;
}

void DeviceHost::Attachment::perform(Step step)
{
    switch (step) {
    case Step::prepare:
        if (prepare())
            advertise({{"hotplug-status", "connected"}});
        break;
    case Step::prepare_resume:
        if (prepare())
            connect(Device::Begin::resumed);
        break;
    case Step::reopen:
        stage_ = Stage::prepared;
        advertise({});
        break;
    case Step::connect:
        connect(Device::Begin::fresh);
        break;
    case Step::acknowledge:
        write_state(XenbusState::closing);
        break;
    case Step::disconnect:
        close(stage_ == Stage::fresh ? Stage::fresh : Stage::closed, XenbusState::closed);
        break;
    case Step::disconnect_and_reopen:
        close(Stage::prepared, XenbusState::init_wait);
        break;
    case Step::end:
        close(Stage::ended, XenbusState::closed);
        break;
    case Step::nothing:
    case Step::forget:
    case Step::renew:
        break;
    }
}

bool DeviceHost::Attachment::prepare()
{
    if (retry_.pending())
        return false;
    try {
        features_ = device_->prepare();
        stage_ = Stage::prepared;
        return true;
    } catch (const NotYet& reason) {
        const auto now = std::chrono::steady_clock::now();
        if (!give_up_)
            give_up_ = now + patience;
        if (now >= *give_up_)
            fail(reason.what());
        else
            retry_ = host_.loop_.after(retry_delay, [this] { host_.update_soon(key_); });
    } catch (const std::exception& reason) {
        fail(reason.what());
    }
    return false;
}

void DeviceHost::Attachment::advertise(Entries nodes)
{
    nodes.insert(nodes.end(), features_.begin(), features_.end());
    write_state(XenbusState::init_wait, std::move(nodes));
}

void DeviceHost::Attachment::connect(Device::Begin begin)
{
    try {
        const Entries nodes = device_->connect(begin);
        stage_ = Stage::connected;
        if (begin == Device::Begin::fresh) // a resumed frontend was told already, and is not to be disturbed
            write_state(XenbusState::connected, nodes);
        say("{}", begin == Device::Begin::fresh ? "connected" : "resumed");
    } catch (const std::exception& reason) {
        refuse(reason.what());
    }
}

void DeviceHost::Attachment::close(Stage to, XenbusState state)
{
    if (!device_->disconnect())
        return; // update() is called again when idle, and comes here again
    if (stage_ == Stage::connected)
        say("disconnected");
    stage_ = to;
    if (to == Stage::ended)
        make_device(); // releases what the old one held open
    write_state(state);
}

/// The device cannot be had: the toolstack reads why, and ends it. Until then it is closing, not closed: Linux's
/// network frontend waits in its probe for a backend that is not closed, for ever, and with it all of the guest's other
/// devices.
void DeviceHost::Attachment::fail(const std::string& why)
{
    say("{}", why);
    stage_ = Stage::failed;
    make_device(); // releases what it may hold already
    write_state(XenbusState::closing, {{"hotplug-error", why}, {"error", why}, {"hotplug-status", "error"}});
}

/// This frontend cannot be served; another one in its place could be.
void DeviceHost::Attachment::refuse(const std::string& why)
{
    say("{}", why);
    stage_ = Stage::refused;
    device_->disconnect();
    write_state(XenbusState::closing, {{"error", why}});
}

void DeviceHost::Attachment::write_state(XenbusState state, Entries nodes)
{
    nodes.emplace_back("state", std::to_string(static_cast<int>(state)));
    write(nodes);
}

DeviceHost::DeviceHost(EventLoop& loop, Store& store, std::string type, DeviceFactory factory, Filter is_ours)
    : loop_(loop), store_(store), type_(std::move(type)), factory_(std::move(factory)), is_ours_(std::move(is_ours))
{
    folder_ = fmt::format("/local/domain/{}/backend/{}", read_number(store_, "domid").value_or(0), type_);
    store_.watch(folder_, [this](const std::string& path) { on_change(path); });
}

DeviceHost::~DeviceHost()
{
    *self_ = nullptr;
    store_.unwatch(folder_);
}

/// `path` is the folder of all devices, of a domain's, of one, or a node in that.
void DeviceHost::on_change(const std::string& path)
{
    if (path.size() <= folder_.size())
        return scan();
    const std::string rest = path.substr(folder_.size() + 1);
    const auto domain_end = rest.find('/');
    const std::string domain = rest.substr(0, domain_end);
    if (domain_end == std::string::npos)
        return scan_domain(domain);
    const auto number_end = rest.find('/', domain_end + 1);
    const std::string number = rest.substr(domain_end + 1, number_end - domain_end - 1);
    const std::string node = number_end == std::string::npos ? "" : rest.substr(number_end + 1);
    // Most changes are our own features; what steers the handshake is little.
    if (node.empty() || node == "state" || node == "online" || node == "frontend")
        touch(domain, number);
}

void DeviceHost::scan()
{
    for (const auto& [key, attachment] : attachments_)
        update_soon(key);
    for (const std::string& domain : store_.list(folder_))
        scan_domain(domain);
}

void DeviceHost::scan_domain(const std::string& domain)
{
    for (const auto& [key, attachment] : attachments_)
        if (std::to_string(key.first) == domain)
            update_soon(key);
    for (const std::string& number : store_.list(folder_ + "/" + domain))
        touch(domain, number);
}

template <typename Number> static bool parse(const std::string& text, Number& value)
{
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

void DeviceHost::touch(const std::string& domain, const std::string& number)
{
    Key key;
    if (!parse(domain, key.first) || !parse(number, key.second))
        return;
    update_soon(key);
}

void DeviceHost::update_soon(Key key)
{
    if (std::find(touched_.begin(), touched_.end(), key) != touched_.end())
        return;
    if (touched_.empty())
        loop_.defer([host = self_] {
            if (*host)
                (*host)->update_touched();
        });
    touched_.push_back(key);
}

void DeviceHost::update_touched()
{
    std::vector<Key> keys;
    keys.swap(touched_);
    if (on_all_idle_)
        return; // shutting down: what the store says is for our successor
    for (const Key& key : keys) {
        auto found = attachments_.find(key);
        if (found == attachments_.end()) {
            if (is_ours_ && !is_ours_(DomId(key.first), key.second))
                continue;
            const std::string back = fmt::format("{}/{}/{}", folder_, key.first, key.second);
            if (!store_.read(back + "/frontend") || store_.read(back + "/" + backend_type_node) == linux_backend_type)
                continue;
            found = attachments_.emplace(key, std::make_unique<Attachment>(*this, key)).first;
        }
        if (!found->second->update())
            attachments_.erase(found);
    }
}

void DeviceHost::shut_down(EventLoop::Handler done)
{
    on_all_idle_ = std::move(done);
    for (const auto& [key, attachment] : attachments_)
        attachment->quiesce();
    check_idle();
}

void DeviceHost::check_idle()
{
    if (!on_all_idle_)
        return;
    for (const auto& [key, attachment] : attachments_)
        if (!attachment->idle())
            return;
    loop_.defer(on_all_idle_);
}

}
