"""No tunnel port has the key of the packet, or the address that it comes from.

Only key 100 from 192.0.2.2 is configured. The neighbouring keys, zero, and all ones die before any rule is asked.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
for vni in (0, 99, 101, 0xFFFFFF):
    case.send("eth1", from_there(frame, vni))
    case.dropped("eth1", "unknown_tunnel")
case.send("eth1", from_there(frame, 100, src="192.0.2.77"))
case.dropped("eth1", "unknown_tunnel")
case.send("eth1", from_there(frame, 100))
case.expect("g1", frame)
case.lookups(hits=0, misses=1)
case.write()
