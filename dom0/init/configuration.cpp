// What the init brings up: see configuration.hpp.

#include "dom0/init/configuration.hpp"

#include <stdexcept>

#include <nlohmann/json.hpp>

namespace xylem::init {
namespace {

using Json = nlohmann::json;

Readiness parse_readiness(const std::string& word)
{
    if (word == "exited")
        return Readiness::exited;
    if (word == "started")
        return Readiness::started;
    if (word == "notified")
        return Readiness::notified;
    if (word == "socket")
        return Readiness::socket;
    if (word == "file")
        return Readiness::file;
    throw std::runtime_error("\"ready\" is '" + word + "': expected exited, started, notified, socket or file");
}

Service parse_service(const Json& json)
{
    Service service;
    json.at("name").get_to(service.name);
    json.at("command").get_to(service.command);
    service.readiness = parse_readiness(json.at("ready"));
    service.ready_path = json.value("path", "");
    service.kept_socket = json.value("keeps", "");
    service.after = json.value("after", std::vector<std::string>{});
    const bool by_path = service.readiness == Readiness::socket || service.readiness == Readiness::file;
    if (by_path == service.ready_path.empty())
        throw std::runtime_error("service " + service.name +
                                 ": \"path\" goes with \"ready\": \"socket\" or \"file\", and only with them");
    if (service.command.empty())
        throw std::runtime_error("service " + service.name + ": \"command\" is empty");
    return service;
}

/// Each service may wait only for earlier ones: so no circle can be written, and the order of starting is the file's.
void check_order(const std::vector<Service>& services)
{
    std::vector<std::string> earlier;
    for (const Service& service : services) {
        for (const std::string& name : service.after)
            if (std::find(earlier.begin(), earlier.end(), name) == earlier.end())
                throw std::runtime_error("service " + service.name + ": waits for " + name +
                                         ", which is no service before it");
        earlier.push_back(service.name);
    }
}

}

Configuration parse_configuration(const std::string& text)
try {
    const Json json = Json::parse(text);
    Configuration configuration;
    json.at("hostname").get_to(configuration.host_name);
    json.at("modules").get_to(configuration.modules);
    json.at("bridge").at("name").get_to(configuration.bridge.name);
    json.at("bridge").at("address").get_to(configuration.bridge.address);
    for (const Json& service : json.at("services"))
        if (Service read = parse_service(service); service.value("enabled", true))
            configuration.services.push_back(std::move(read));
    check_order(configuration.services);
    json.at("banner").get_to(configuration.banner);
    return configuration;
} catch (const Json::exception& error) {
    throw std::runtime_error(error.what());
}

}
