// `compute`: hashing without a host call.
#include "faults.h"
#include "request.h"
#include "sha256.h"
#include "wapc.h"

// The rounds (`u32`, little-endian), the seed; the reply is the seed's hash, hashed again in each round.
static int compute(bytes seed) {
    uint32_t rounds;
    uint8_t digest[32];
    if (!take_number(&seed, &rounds)) return REFUSED;
    sha256(seed, digest);
    for (; rounds > 0; rounds--) sha256((bytes){digest, 32}, digest);
    return answer_with((bytes){digest, 32});
}

#define COMPUTE ANSWER("compute", compute)

#ifndef ALL
SERVE(COMPUTE FAULTS)
#endif
