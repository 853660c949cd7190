// `echo`: the request is the reply.
#include "faults.h"
#include "wapc.h"

#define ECHO ANSWER("echo", answer_with)

#ifndef ALL
SERVE(ECHO FAULTS)
#endif
