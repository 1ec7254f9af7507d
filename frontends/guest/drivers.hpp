// What frontends stand on in the mini kernel: the store, and a Kernel for frontends/xenbus.
//
// A task of its own serves the store's watches and what frontends defer. So a watch's handler may wait, and an event
// handler may not. A dom0 has no store when it starts: these are for a domU.
#pragma once

#include "frontends/guest/guest.hpp"
#include "frontends/xenbus/kernel.hpp"
#include "frontends/xenbus/store_client.hpp"

namespace xylem::guest {

/// The store; opened at the first call.
frontends::StoreClient& store();
frontends::Kernel& driver_kernel();

}
