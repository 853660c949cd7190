"""rename.py MODULE: renames the export _initialize to _start, which is what waPC hosts call."""

import sys
from pathlib import Path

EXPORTS = 7


def read(module, at):
    """An unsigned LEB128 number, and where it ends."""
    value = shift = 0
    while True:
        byte = module[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def leb(value):
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded) + bytes([value])


def renamed(section):
    count, at = read(section, 0)
    names, entries = [], leb(count)
    for _ in range(count):
        length, at = read(section, at)
        name, at = section[at : at + length], at + length
        _, end = read(section, at + 1)  # behind the kind is an index
        name = b"_start" if name == b"_initialize" else name
        names.append(name)
        entries += leb(len(name)) + name + section[at:end]
        at = end
    if names.count(b"_start") != 1 or at != len(section):
        sys.exit(f"the exports are {names}: exactly one _initialize was expected")
    return entries


def main(path):
    module = path.read_bytes()
    out, at = module[:8], 8
    while at < len(module):
        kind = module[at]
        size, start = read(module, at + 1)
        section = module[start : start + size]
        if kind == EXPORTS:
            section = renamed(section)
        out += bytes([kind]) + leb(len(section)) + section
        at = start + size
    path.write_bytes(out)


main(Path(sys.argv[1]))
