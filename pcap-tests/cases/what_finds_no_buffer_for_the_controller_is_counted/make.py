"""Sixteen controllers are told of each of seventeen frames of one moment, which are 16 more than there are buffers: those are counted. The frame
goes on.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
frames = [udp_frame(bytes([number])) for number in range(17)]
for number, frame in enumerate(frames):
    case.send("g1", frame, later=MILLISECOND if number == 0 else 0)
    case.expect("g2", frame)
# A batch is handled action by action.
for controller in range(16):
    for frame in frames:
        if len(case.expected.get("controller", [])) < 256:
            case.expect("controller", frame)
case.dropped("g1", "punt_full", 16)
case.lookups(hits=16, misses=1)
case.write()
