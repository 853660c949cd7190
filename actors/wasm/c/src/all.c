// Every app in one module.
#define ALL

#include "chain.c"
#include "compute.c"
#include "counter.c"
#include "echo.c"
#include "kv.c"
#include "order.c"

SERVE(ECHO KV CHAIN COUNTER COMPUTE ORDER FAULTS)
