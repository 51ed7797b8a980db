/* SPDX-License-Identifier: Apache-2.0 */
/* g_error() raises SIGTRAP, for which libFuzzer does not keep the input. */
#include <signal.h>
#include <stdlib.h>

static void
on_trap(int signal_number)
{
    abort();
}

static void __attribute__((constructor)) abort_on_trap(void)
{
    signal(SIGTRAP, on_trap);
}
