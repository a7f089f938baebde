"""A good tunnel packet, cut at every byte; then cut at every byte with the lengths in its headers put right.

Cut without telling: the IP total length says more than there is. Cut with the truth: it dies at the first header that is
not whole, and the shortest frame that lives is a bare Ethernet header.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
ETHERNET, IPV4, UDP_SIZE, VXLAN_SIZE = 14, 20, 8, 8
good = bytes(from_there(udp_frame(b"x"), 100))
for size in range(len(good)):
    case.send("eth1", good[:size])
    case.dropped("eth1", "frame_too_short" if size < ETHERNET else "outer_header")

inner = bytes(udp_frame(b"x"))
for size in range(UDP_SIZE + VXLAN_SIZE + ETHERNET + 1):
    packet = edited(good[: ETHERNET + IPV4 + size], 16, (IPV4 + size).to_bytes(2, "big"))
    if size >= UDP_SIZE:
        packet = edited(packet, 38, size.to_bytes(2, "big") + b"\0\0")  # no checksum
    case.send("eth1", ip_checksum(packet))
    if size < UDP_SIZE:
        case.dropped("eth1", "outer_udp")
    elif size < UDP_SIZE + VXLAN_SIZE:
        case.dropped("eth1", "tunnel_header")
    elif size < UDP_SIZE + VXLAN_SIZE + ETHERNET:
        case.dropped("eth1", "inner_too_short")
    else:
        case.expect("g1", inner[:ETHERNET])
case.lookups(hits=0, misses=1)
case.write()
