"""draft-smith-vxlan-group-policy, section 2: the sender's group, and two flags, in bits that are reserved otherwise. Without exts = "gbp"
they are reserved, and ignored (RFC 7348 section 5).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
policy = {"flags": 0x88, "gpflags": 0x48, "gpid": 0x1234}
case.send("eth1", inbound() / vxlan(frame, 100, **policy))
case.expect("g1", frame)
case.send("eth1", inbound() / vxlan(frame, 100))
case.dropped("eth1", "table_miss")
case.send("eth1", inbound() / vxlan(frame, 101, **policy))
case.expect("g1", frame)
case.send("g1", frame)
case.expect("eth1", outer() / vxlan(frame, 100, 0, flags=0x88, gpflags=0x08, gpid=0x1234))
case.expect("eth1", outer() / vxlan(frame, 101, 0))
frame = udp_frame(sport=4001)
case.send("g1", frame)
case.expect("eth1", outer() / vxlan(frame, 100, 1))
case.entropy("eth1", 34)
case.lookups(hits=0, misses=5)
case.write()
