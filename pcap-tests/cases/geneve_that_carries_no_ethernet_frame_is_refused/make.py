"""IPv4 and IPv6 inside Geneve: only frames (0x6558) can be switched.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
packet = bytes(IP(src=ALICE, dst=BOB) / UDP() / b"routed")
for proto in (0x0800, 0x86DD):
    case.send("eth1", inbound() / udp_tunnel(GENEVE(vni=100, proto=proto), packet, 6081))
    case.dropped("eth1", "tunnel_payload")
case.write()
