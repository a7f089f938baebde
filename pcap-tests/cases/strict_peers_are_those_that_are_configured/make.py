"""peers = "strict": the remote ends of tunnel ports and those that rules name; the rest is counted. The address of a known peer in IPv4 is
another when it comes mapped into IPv6.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
for peer in ("192.0.2.2", "192.0.2.3"):
    case.send("eth1", inbound(src=peer) / vxlan(frame, 100))
    case.expect("g1", frame)
for stranger in ("192.0.2.4", "203.0.113.1"):
    case.send("eth1", inbound(src=stranger) / vxlan(frame, 100))
    case.dropped("eth1", "unknown_peer")
case.send("eth1", inbound(6, src="::ffff:192.0.2.2") / vxlan(frame, 100, csum=True))
case.dropped("eth1", "unknown_peer")
case.lookups(hits=1, misses=1)
case.write()
