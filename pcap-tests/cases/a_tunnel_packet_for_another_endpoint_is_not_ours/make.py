"""The outer destination is an address that is not configured: another host's, broadcast, multicast.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
for address in ("192.0.2.9", "255.255.255.255", "239.1.1.1", "0.0.0.0"):
    case.send("eth1", from_there(frame, 100, dst=address))
    case.dropped("eth1", "not_our_endpoint")
outer = Ether(src=THERE_MAC, dst=HERE_MAC) / IPv6(src=THERE6, dst=HERE6) / UDP(sport=50000, dport=4789)
case.send("eth1", outer / VXLAN(flags=8, vni=100) / Raw(bytes(frame)))
case.dropped("eth1", "not_our_endpoint")
case.lookups(hits=0, misses=0)
case.write()
