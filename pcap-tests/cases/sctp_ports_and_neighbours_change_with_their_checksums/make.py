"""Ports of SCTP and addresses of neighbour discovery are rewritten; scapy says what the checksums then are.

SCTP's is CRC32c over the packet (RFC 9260 appendix A) and knows no addresses, so NAT leaves it alone. One of zero is no
checksum (RFC 9653) and stays none. A first fragment keeps its ports, since the checksum covers the fragments to come. The
link-layer address of a solicitation is found behind an option that nobody knows; one without it is not given any.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, ICMPv6NDOptUnknown  # noqa: E402
from scapy.layers.sctp import SCTP, SCTPChunkData  # noqa: E402
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
LINK = "02:00:00:00:0c:03"


def sctp(sport=4000, dport=5000, **more):
    return SCTP(sport=sport, dport=dport, tag=0x01020304, **more) / SCTPChunkData(data=b"stream")


case.send("g1", ether() / IP(src=ALICE, dst=BOB) / sctp())
case.expect("g2", ether() / IP(src="172.16.0.1", dst=BOB) / sctp(sport=1, dport=65535))
case.send("g1", ether() / IP(src=ALICE, dst=BOB) / sctp(chksum=0))
case.expect("g2", ether() / IP(src="172.16.0.1", dst=BOB) / sctp(sport=1, dport=65535, chksum=0))
case.send("g1", ether() / IPv6(src=ALICE6, dst=BOB6) / sctp())
case.expect("g2", ether() / IPv6(src=ALICE6, dst=BOB6) / sctp(sport=1))
case.send("g1", bytes(ether() / IP(src=ALICE, dst=BOB) / sctp()) + b"padding")
case.expect("g2", bytes(ether() / IP(src="172.16.0.1", dst=BOB) / sctp(sport=1, dport=65535)) + b"padding")
first = Raw(bytes(sctp())[:24])
case.send("g1", ether() / IP(src=ALICE, dst=BOB, flags="MF", proto=132) / first)
case.expect("g2", ether() / IP(src="172.16.0.1", dst=BOB, flags="MF", proto=132) / first)

six = IPv6(src=ALICE6, dst=BOB6, hlim=255)
unknown = ICMPv6NDOptUnknown(type=14, len=1, data=b"nonce!")
for options, changed in (
    (ICMPv6NDOptSrcLLAddr(lladdr=ALICE_MAC), ICMPv6NDOptSrcLLAddr(lladdr=LINK)),
    (unknown / ICMPv6NDOptSrcLLAddr(lladdr=ALICE_MAC), unknown / ICMPv6NDOptSrcLLAddr(lladdr=LINK)),
    (unknown, unknown),
):
    case.send("g1", ether() / six / ICMPv6ND_NS(tgt=BOB6) / options)
    case.expect("g2", ether() / six / ICMPv6ND_NS(tgt="fe80::3") / changed)
case.send("g1", ether() / six / ICMPv6ND_NA(tgt=BOB6) / ICMPv6NDOptDstLLAddr(lladdr=ALICE_MAC))
case.expect("g2", ether() / six / ICMPv6ND_NA(tgt="fe80::2") / ICMPv6NDOptDstLLAddr(lladdr=LINK))
case.lookups(hits=4, misses=5)
case.write()
