"""An IPv6 packet may say that it comes from ::ffff:192.0.2.2 (RFC 4291 section 2.5.5.2); that is not the peer 192.0.2.2.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
case.send("eth1", inbound() / vxlan(frame, 100))
case.expect("g1", frame)
case.send("eth1", inbound(6, src="::ffff:192.0.2.2") / vxlan(frame, 100, csum=True))
case.dropped("eth1", "unknown_tunnel")
case.lookups(hits=0, misses=1)
case.write()
