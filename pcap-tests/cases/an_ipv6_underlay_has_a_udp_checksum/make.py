"""Over IPv6 the outer UDP checksum must be there (RFC 8200 section 8.1); scapy computes it. What comes in with a checksum of
zero is accepted when the tunnel says so (RFC 6935).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for conversation, payload in enumerate((b"", b"odd", b"even", bytes(range(256)) * 4)):
    frame = udp_frame(payload, sport=4000 + conversation)
    case.send("g1", frame)
    case.expect("eth1", encap6(frame, 100, conversation))

outer = Ether(src=THERE_MAC, dst=HERE_MAC) / IPv6(src=THERE6, dst=HERE6)
frame = udp_frame()
for header in (UDP(sport=50000, dport=4789), UDP(sport=50000, dport=4789, chksum=0)):
    case.send("eth1", outer / header / VXLAN(flags=8, vni=100) / Raw(bytes(frame)))
    case.expect("g1", frame)
case.entropy("eth1", 54, checksum=60)
# One flow each way.
case.lookups(hits=4, misses=2)
case.write()
