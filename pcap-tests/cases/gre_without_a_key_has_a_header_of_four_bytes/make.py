"""RFC 2784 section 2: no key is configured, so none is sent. One that comes in with the key 0 is the same tunnel, as in Open vSwitch;
with another key it is none of ours.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
case.send("g1", frame)
case.expect("eth1", outer() / gre(frame))
for header in (gre(frame), gre(frame, key=0)):
    case.send("eth1", inbound() / header)
    case.expect("g1", frame)
case.send("eth1", inbound() / gre(frame, key=1))
case.dropped("eth1", "unknown_tunnel")
case.lookups(hits=1, misses=2)
case.write()
