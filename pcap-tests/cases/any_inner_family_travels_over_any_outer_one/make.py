"""IPv4, IPv6 and ARP of a guest, over IPv4 and IPv6, in all four kinds of tunnels: what went in comes out.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
four = udp_frame()
six = ether() / IPv6(src=ALICE6, dst=BOB6) / TCP(sport=4000, dport=80, flags="S")
arp = ether() / ARP(psrc=ALICE, pdst=BOB)
for version in (4, 6):
    for frame in (four, six, arp):
        for packet in (
            vxlan(frame, 100, csum=version == 6),
            gre(frame, key=100),
            nvgre(frame, 5001),
            geneve(frame, 100, csum=version == 6),
        ):
            case.send("eth1", inbound(version) / packet)
            case.expect("g1", frame)
case.lookups(hits=16, misses=8)
case.write()
