"""The outer header gets what the inner one says, in the spirit of RFC 2983's uniform model; a frame that is not IP gets the defaults, 0 and
64. A time to live of zero is not sent (RFC 1122 section 3.2.1.7).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for tos, ttl, sent in ((0xB8, 3, 3), (0x2A, 255, 255), (0, 0, 1)):
    frame = udp_frame(tos=tos, ttl=ttl)
    case.send("g1", frame)
    case.expect("eth1", outer(tos=tos, ttl=sent) / vxlan(frame, 100, 0))
frame = ether() / IPv6(src=ALICE6, dst=BOB6, tc=0x48, hlim=9) / UDP() / b"six"
case.send("g1", frame)
case.expect("eth1", outer(tos=0x48, ttl=9) / vxlan(frame, 100, 1))
arp = ether() / ARP(psrc=ALICE, pdst=BOB)
case.send("g1", arp)
case.expect("eth1", outer() / vxlan(arp, 100, 2))
case.entropy("eth1", 34)
case.lookups(hits=0, misses=5)
case.write()
