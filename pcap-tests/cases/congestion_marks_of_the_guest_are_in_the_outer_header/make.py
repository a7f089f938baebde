"""RFC 6040 section 4.1, normal mode: the outer field is a copy of the inner one; a frame that is not IP is not capable.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for ecn in range(4):
    frame = udp_frame(tos=0xB8 | ecn)
    case.send("g1", frame)
    case.expect("eth1", outer(tos=0x28 | ecn) / vxlan(frame, 100, 0))
arp = ether() / ARP(psrc=ALICE, pdst=BOB)
case.send("g1", arp)
case.expect("eth1", outer(tos=0x28) / vxlan(arp, 100, 1))
case.entropy("eth1", 34)
case.lookups(hits=0, misses=5)
case.write()
