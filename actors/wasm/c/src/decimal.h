// Numbers as text.
#pragma once

#include "wapc.h"

// Room for any number of 64 bits and its sign.
typedef uint8_t digits[20];

static bytes decimal(int64_t value, digits into) {
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
    uint8_t *end = into + sizeof(digits), *at = end;
    do *--at = '0' + left % 10;
    while (left /= 10);
    if (value < 0) *--at = '-';
    return (bytes){at, end - at};
}
