"""Bytes behind the packet make a frame too long for the way of a tunnel: they are padding and cut off, and the packet goes. To tell the sender
that it is too long would not be true.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for frame in (udp_frame(bytes(1000), flags="DF"), udp_frame(bytes(1000))):
    case.send("g1", bytes(frame) + bytes(500))
    case.expect("eth1", encap(frame, 100))
six = ether() / IPv6(src=ALICE6, dst=BOB6) / UDP(sport=4000, dport=5000) / Raw(bytes(1000))
case.send("g1", bytes(six) + bytes(500))
case.expect("eth1", encap(six, 100, 1))
case.entropy("eth1", 34)
case.lookups(hits=1, misses=2)
case.write()
