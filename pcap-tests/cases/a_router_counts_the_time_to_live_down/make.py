"""dec_ttl: the time to live of IPv4 and the hop limit of IPv6 go down by one, and the IPv4 header checksum follows (RFC 1812
section 5.2.2). A frame that has 1 goes no further; it is counted, and what was done before that stays done.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2", "g3"])
for ttl in (64, 2, 255):
    case.send("g1", udp_frame(ttl=ttl))
    case.expect("g2", udp_frame(ttl=ttl - 1))

six = ether() / IPv6(src=ALICE6, dst=BOB6, hlim=64) / UDP(sport=1, dport=2) / Raw(b"six")
six_less = ether() / IPv6(src=ALICE6, dst=BOB6, hlim=63) / UDP(sport=1, dport=2) / Raw(b"six")
case.send("g1", six)
case.expect("g2", six_less)

# Two hops at once.
case.send("g1", udp_frame(dport=2, ttl=3))
case.expect("g2", udp_frame(dport=2, ttl=1))

for ttl in (1, 0):
    case.send("g1", udp_frame(ttl=ttl))
    case.dropped("g1", "ttl_expired")

# Sent to g3 before the second hop, where it ends.
case.send("g1", udp_frame(dport=3, ttl=2))
case.expect("g3", udp_frame(dport=3, ttl=1))
case.dropped("g1", "ttl_expired")
case.lookups(hits=0, misses=8)
case.write()
