"""RFC 2784 section 2.3: a packet with one of the bits 1, 4 and 5 is discarded, and so is any version but 0 (1 is that of PPTP). Bits 6
to 12 are ignored. A header that is cut short is none.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
good = bytes(inbound() / gre(frame, key=100))
for bits in (0x4000, 0x0800, 0x0400, 0x0001, 0x0007):
    case.send("eth1", edited(good, 34, (0x2000 | bits).to_bytes(2, "big")))
    case.dropped("eth1", "tunnel_header")
for size in (0, 3, 4, 7):
    packet = inbound()
    packet[IP].proto = 47
    case.send("eth1", packet / Raw(good[34 : 34 + size]))
    case.dropped("eth1", "tunnel_header")
case.send("eth1", edited(good, 34, (0x23F8).to_bytes(2, "big")))
case.expect("g1", frame)
case.lookups(hits=0, misses=1)
case.write()
