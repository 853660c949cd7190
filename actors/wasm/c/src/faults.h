// What every module does wrong on demand, so that a host can be tried.
#pragma once

#include "wapc.h"

#define FAULTS ANSWER("fault.trap", fault_trap) ANSWER("fault.loop", fault_loop)

static int fault_trap(bytes request) {
    (void)request;
    __builtin_trap();
}

static int fault_loop(bytes request) {
    (void)request;
    // Volatile, so that the loop does something and stays.
    for (volatile uint32_t turns = 0;;) turns++;
}
