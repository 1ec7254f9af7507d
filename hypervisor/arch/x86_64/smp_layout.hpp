// Where the start code of the other processors is copied to: any page below 640 KiB that is RAM and not the BIOS's.
#pragma once

#include "hypervisor/arch/x86_64/layout.hpp"

#define TRAMPOLINE_ADDRESS 0x8000
