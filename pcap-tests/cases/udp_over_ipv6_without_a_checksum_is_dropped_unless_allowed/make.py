"""RFC 8200 section 8.1: such a datagram is discarded; RFC 6935 section 5 lets a tunnel port take it when its operator says so.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
case.send("eth1", inbound(6) / vxlan(frame, 100))
case.dropped("eth1", "no_udp_checksum")
good = bytes(inbound(6) / vxlan(frame, 100, csum=True))
case.send("eth1", good)
case.expect("g1", frame)
case.send("eth1", edited(good, 60, [good[60] ^ 1]))
case.dropped("eth1", "outer_udp_checksum")
for csum in (False, True):
    case.send("eth1", inbound(6) / geneve(frame, 100, csum=csum))
    case.expect("g1", frame)
case.lookups(hits=1, misses=2)
case.write()
