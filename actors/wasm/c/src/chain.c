// `chain`: as many gets as the request says, one after another.
#include "faults.h"
#include "keyvalue.h"
#include "request.h"
#include "wapc.h"

// The number of gets (`u32`, little-endian), the key; the reply is the value of the last get.
static int chain(bytes key) {
    uint32_t calls;
    if (!take_number(&key, &calls) || !is_key(key)) return REFUSED;
    bytes last = {key.at, 0};
    for (uint8_t *start = top; calls > 0; calls--) {
        top = start;
        switch (keyvalue_get(key, &last)) {
        case FAILED: return REFUSED;
        case ABSENT: return refuse_missing(key);
        case FOUND: break;
        }
    }
    return answer_with(last);
}

#define CHAIN ANSWER("chain", chain)

#ifndef ALL
SERVE(CHAIN FAULTS)
#endif
