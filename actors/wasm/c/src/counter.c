// `counter`: an HTTP request, an atomic add, a JSON answer.
#include "decimal.h"
#include "faults.h"
#include "http.h"
#include "keyvalue.h"
#include "request.h"
#include "wapc.h"

// The name in `/counter/<name>?query`.
static bool counter_name(bytes path, bytes *name) {
    bytes prefix = TEXT("/counter/");
    if (path.length < prefix.length || !same((bytes){path.at, prefix.length}, prefix)) return false;
    *name = (bytes){path.at + prefix.length, 0};
    while (name->at + name->length < path.at + path.length && name->at[name->length] != '?') name->length++;
    return is_name(*name);
}

static int counter(bytes request) {
    bytes method, path, name, key, reply;
    switch (parse_head(request, &method, &path)) {
    case CUT_SHORT: return BAD("the HTTP request is cut short");
    case NOT_HTTP: return BAD("not HTTP/1.1");
    case PARSED: break;
    }
    if (!same(method, TEXT("POST")) && !same(method, TEXT("GET"))) return BAD("a counter takes POST or GET");
    if (!counter_name(path, &name))
        return BAD("the path is not /counter/<name> of letters, digits, '-', '_', '.'");
    int64_t value;
    if (!JOIN(&key, TEXT("counter:"), name) || !keyvalue_add(key, 1, &value)) return REFUSED;
    digits room;
    if (!JOIN(&reply, TEXT("{\"counter\":\""), name, TEXT("\",\"value\":"), decimal(value, room), TEXT("}")))
        return REFUSED;
    return answer_with(reply);
}

#define COUNTER ANSWER("counter", counter)

#ifndef ALL
SERVE(COUNTER FAULTS)
#endif
