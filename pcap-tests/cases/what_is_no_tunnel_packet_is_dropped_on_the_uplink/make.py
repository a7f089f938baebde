"""Packets for this host that no tunnel carries. A running switch leaves them to the kernel before they get here.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
ethernet = Ether(src=THERE_MAC, dst=HERE_MAC)
to_us = ethernet / IP(src=THERE, dst=HERE)
for packet in (
    ethernet / ARP(op="who-has", psrc=THERE, pdst=HERE),
    to_us / TCP(sport=50000, dport=4789),
    to_us / ICMP(),
    to_us / UDP(sport=4789, dport=53),
    from_there(udp_frame(), 100, dport=4790),
    Ether(src=THERE_MAC, dst=HERE_MAC, type=0x8847) / Raw(bytes(50)),
    ethernet / Dot1Q(vlan=5) / IP(src=THERE, dst=HERE) / UDP(dport=4789) / VXLAN(flags=8, vni=100) / udp_frame(),
):
    case.send("eth1", packet)
    case.dropped("eth1", "not_tunnel")
case.lookups(hits=0, misses=0)
case.write()
