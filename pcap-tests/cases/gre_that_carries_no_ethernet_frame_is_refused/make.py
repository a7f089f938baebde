"""IPv4, IPv6, MPLS and an unknown type inside GRE: only frames (0x6558) can be switched.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
packet = bytes(IP(src=ALICE, dst=BOB) / UDP() / b"routed")
for proto in (0x0800, 0x86DD, 0x8847, 0x1234):
    case.send("eth1", inbound() / gre(packet, key=100, proto=proto))
    case.dropped("eth1", "tunnel_payload")
case.write()
