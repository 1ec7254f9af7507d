// stamp: an init that says how many instructions have passed since the machine's start (the time stamp counter, which under
// `-icount shift=0` counts them), and powers off.
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>
#include <x86intrin.h>

int main(void)
{
    unsigned long long now = __rdtsc();
    printf("STAMP %llu\n", now);
    fflush(stdout);
    sync();
    return reboot(RB_POWER_OFF);
}
