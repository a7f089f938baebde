"""A packet that a strict NVGRE port refuses for its sender is not offered to a GRE port that takes anybody's: its key would be another tenant
there. What no NVGRE port knows is GRE's.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
case.send("eth1", inbound(src="192.0.2.2") / nvgre(frame, 5001, 3))
case.expect("g1", frame)
case.send("eth1", inbound(src="192.0.2.4") / nvgre(frame, 5001, 3))
case.dropped("eth1", "unknown_peer")
case.send("eth1", inbound(src="192.0.2.4") / gre(frame, key=100))
case.expect("g1", frame)
case.lookups(hits=0, misses=2)
case.write()
