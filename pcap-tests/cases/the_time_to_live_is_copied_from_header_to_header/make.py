"""OpenFlow 1.3.5 section 5.12: `copy_ttl_out` copies the time to live "from next-to-outermost to outermost header with TTL", from IP to IP, from MPLS to MPLS and
from IP to MPLS; `copy_ttl_in` the other way. Checksums of IPv4 follow. Where there is one such header alone nothing is copied.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403
from scapy.all import IPOption_NOP  # noqa: E402
from scapy.contrib.mpls import MPLS  # noqa: E402

case = Case(__file__)
OUTER, INNER = 7, 33


def ip4(ttl):
    return IP(src=ALICE, dst=BOB, ttl=ttl)


def ip6(ttl):
    return IPv6(src=ALICE6, dst=BOB6, hlim=ttl)



def bottom(ttl):
    return MPLS(label=5, s=1, ttl=ttl)


def labelled(stack):
    """scapy makes an Ethernet type of labels only for one kind of them."""
    return ether(type=0x8847) / stack if isinstance(stack, MPLS) else ether() / stack


def frame(outer, inner, payload, ttls):
    return labelled(outer(ttls[0]) / inner(ttls[1]) / payload)


udp = UDP(sport=4000, dport=5000) / Raw(b"hello")
pairs = [
    (ip4, ip4, udp),
    (ip4, ip6, udp),
    (ip6, ip4, udp),
    (ip6, ip6, udp),
    (bottom, ip4, udp),
    (bottom, ip6, udp),
    (lambda ttl: MPLS(label=9, s=0, ttl=ttl), bottom, ip4(64) / udp),
    # A header with options, and one inside.
    (lambda ttl: IP(src=ALICE, dst=BOB, ttl=ttl, options=[IPOption_NOP()] * 4), ip4, udp),
]
for outer, inner, payload in pairs:
    case.send("g1", frame(outer, inner, payload, (OUTER, INNER)))
    case.expect("g2", frame(outer, inner, payload, (INNER, INNER)))
    case.send("g2", frame(outer, inner, payload, (OUTER, INNER)))
    case.expect("g1", frame(outer, inner, payload, (OUTER, OUTER)))
for alone in (ether() / ip4(OUTER) / udp, ether() / ip6(OUTER) / udp, ether(type=0x88B5) / Raw(b"\x45" + bytes(40))):
    case.send("g1", alone)
    case.expect("g2", alone)
# The one with options is of a flow that is known.
case.lookups(hits=2, misses=17)
case.write()
