#!/usr/bin/env python3
"""A runner whose figures are known: it says what its environment tells it, by lane, cell and round.

The round shows in the order of the cells, which is its own; so a lane with several cells has other figures in each
round, and both of the lane's entries the same ones.

FAKE_HISTOGRAMS  histograms in the recorder's encoding, as a JSON list
FAKE_STARTS      a file that gets a line with the process id at every start
FAKE_HANGS       the start after which no answer comes any more, from 1
FAKE_TAINTED     the start from which figures are seven times as large
FAKE_WRONG       a lane whose answers are wrong
FAKE_FAILING     a lane that cannot be opened
FAKE_DEBUG       a lane whose runner is a debug build
FAKE_NOISY       a lane whose blocks are disturbed
"""

import json
import os
import sys
import zlib

job = json.loads(sys.stdin.readline())
lane = job["lane"]


def mode(name):
    return os.environ.get(name) == lane


def say(reply):
    print(json.dumps(reply), flush=True)


def outcome(cell):
    if mode("FAKE_WRONG"):
        return {"outcome": "wrong", "reason": "17 for 18"}
    shade = zlib.crc32(json.dumps(job["cells"]).encode())
    histograms = json.loads(os.environ["FAKE_HISTOGRAMS"])
    time = (10 * len(lane) + cell["payload"] % 7 + (cell["calls"] or 0)) * (1 + shade % 1000 / 1000)
    if starts >= int(os.environ.get("FAKE_TAINTED", sys.maxsize)):
        time *= 7
    figures = {name: time for name in ["mean_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns"]}
    cpu = {"process": "app", "total_ns": 900, "system_ns": 100, "voluntary": 0, "involuntary": 0}
    return figures | {
        "outcome": "measured",
        "operations": 1000,
        "wall_ns": 1000000,
        "batch": 1,
        "samples": 1000,
        "histogram_ps": histograms[shade % len(histograms)],
        "warmup_batches": 3,
        "warmup_settled": True,
        "cpu": [cpu],
        "provider_calls": 1,
        "pss_bytes": [4096],
    }


starts = 0
if "FAKE_STARTS" in os.environ:
    with open(os.environ["FAKE_STARTS"], "a+") as file:
        file.write(f"{os.getpid()}\n")
        file.flush()
        file.seek(0)
        starts = len(file.readlines())
if mode("FAKE_FAILING"):
    say({"reply": "fatal", "reason": "no store today"})
    sys.exit()
say({"reply": "ready", "release": not mode("FAKE_DEBUG")})
if sys.stdin.readline().strip() != "go":
    sys.exit()
if starts == int(os.environ.get("FAKE_HANGS", -1)):
    sys.stdin.read()
for cell in job["cells"]:
    say(
        {
            "reply": "cell",
            "cell": cell,
            "began": "2026-01-01T00:00:00Z",
            "from_ns": 1,
            "to_ns": 2,
            "steal_ns": 1 if mode("FAKE_NOISY") else 0,
            "work_ns": [100, 100],
            "outcome": outcome(cell),
        }
    )
    if mode("FAKE_WRONG"):
        break
