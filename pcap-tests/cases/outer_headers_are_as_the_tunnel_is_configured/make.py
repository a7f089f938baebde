"""Type of service, time to live, destination port, local end and key of a tunnel port.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame(b"configured", tos=0x28, ttl=3)
case.send("g1", frame)
case.expect("eth1", encap(frame, 0xABCDEF, src="192.0.2.11", tos=0xB8, ttl=32, dport=8472))
case.send("eth1", from_there(frame, 0xABCDEF, dst="192.0.2.11", dport=8472))
case.expect("g1", frame)
case.send("eth1", from_there(frame, 0xABCDEF, dst="192.0.2.11"))
case.dropped("eth1", "not_tunnel")
case.entropy("eth1", 34)
case.lookups(hits=0, misses=2)
case.write()
