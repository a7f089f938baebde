"""IPv6 guests over an IPv4 underlay: UDP, neighbour discovery, and a datagram behind an extension header.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
ip = IPv6(src=ALICE6, dst=BOB6)
solicitation = (
    ether(dst="33:33:ff:00:00:02")
    / IPv6(src=ALICE6, dst="ff02::1:ff00:2", hlim=255)
    / ICMPv6ND_NS(tgt=BOB6)
    / ICMPv6NDOptSrcLLAddr(lladdr=ALICE_MAC)
)
frames = [
    ether() / ip / UDP(sport=4000, dport=5000) / Raw(b"six in four"),
    solicitation,
    ether() / ip / IPv6ExtHdrDestOpt() / UDP(sport=4000, dport=5000) / Raw(b"behind options"),
]
for conversation, frame in enumerate(frames):
    case.send("g1", frame)
    case.expect("eth1", encap(frame, 100, conversation))
    case.send("eth1", from_there(frame, 100))
    case.expect("g1", frame)
case.entropy("eth1", 34)
# The rules do not look at the headers: one flow each way.
case.lookups(hits=4, misses=2)
case.write()
