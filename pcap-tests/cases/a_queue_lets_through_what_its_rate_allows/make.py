"""Queues of a port: what goes through queue 1 of g3 leaves no faster than 800 kilobits a second, 1000-byte frames being 8 kilobits each: a burst of
two, then one in ten milliseconds. What goes out before pop_queue, by a port without that queue, or through a queue without
a rate is not held back; a frame that one port's queue drops leaves by the other all the same.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
bucket = Bucket(rate=800_000, size=16_000)
passed = 0
for number in range(40):
    frame = udp_frame(payload=b"x" * 958)
    case.send("g1", frame)
    if bucket.takes(case.now, 8000):
        case.expect("g3", frame)
        passed += 1
    else:
        case.dropped("g1", "queue_over_rate")
    # After pop_queue; and by a port that has no queue of this number.
    case.expect("g3", frame)
    case.expect("g4", frame)
assert passed == 2 + 3

# The same queue, from an action set, and full again after a pause; and one that has no rate.
for number in range(4):
    frame = udp_frame(payload=b"y" * 958)
    case.send("g2", frame, later=1_000_000_000 if number == 0 else 0)
    if number < 2:
        case.expect("g3", frame)
    else:
        case.dropped("g2", "queue_over_rate")
    case.send("g4", frame, later=0)
    case.expect("g3", frame)
case.lookups(hits=45, misses=3)
case.write()
