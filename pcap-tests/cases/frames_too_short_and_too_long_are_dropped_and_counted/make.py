"""Frames without a whole Ethernet header, and frames longer than any buffer; the shortest and the longest that pass, and those at
the border between the two sizes of buffers.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
frame = bytes(ether(type=0x88B5)) + bytes(20000)
for size in (0, 1, 13):
    case.send("g1", frame[:size])
    case.dropped("g1", "frame_too_short")
for size in (14, 3840, 3841, 16128):
    case.send("g1", frame[:size])
    case.expect("g2", frame[:size])
for size in (16129, 20000):
    case.send("g1", frame[:size])
    case.dropped("g1", "frame_too_long")
case.without_bytes("g1", 16129 + 20000)
case.lookups(hits=3, misses=1)
case.write()
