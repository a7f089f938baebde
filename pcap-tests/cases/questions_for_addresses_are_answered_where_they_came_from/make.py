"""Flows turn an ARP request round in place and send it back by the port that it came in by, and make a neighbour advertisement of a solicitation: the
type of the message, its flags, and the type of its option become others (RFC 826; RFC 4861 sections 4.3 and 4.4), and the checksum follows.
Whoever has no address yet (RFC 4862 section 5.4.2) is not answered.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403
from scapy.all import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr  # noqa: E402

case = Case(__file__)
ALL = "ff:ff:ff:ff:ff:ff"
who = ether(ALICE_MAC, ALL) / ARP(op=1, hwsrc=ALICE_MAC, psrc=ALICE, hwdst="00:00:00:00:00:00", pdst=BOB)
here = ether(BOB_MAC, ALICE_MAC) / ARP(op=2, hwsrc=BOB_MAC, psrc=BOB, hwdst=ALICE_MAC, pdst=ALICE)
case.send("g1", who)
case.expect("g1", here)
other = ether(ALICE_MAC, ALL) / ARP(op=1, hwsrc=ALICE_MAC, psrc=ALICE, pdst="10.0.0.9")
case.send("g1", other)
case.expect("g2", other)

solicited = ether(ALICE_MAC, "33:33:ff:00:00:02") / IPv6(src=ALICE6, dst="ff02::1:ff00:2", hlim=255)
question = solicited / ICMPv6ND_NS(tgt=BOB6) / ICMPv6NDOptSrcLLAddr(lladdr=ALICE_MAC)
answer = (
    ether(BOB_MAC, ALICE_MAC)
    / IPv6(src=BOB6, dst=ALICE6, hlim=255)
    / ICMPv6ND_NA(tgt=BOB6, R=0, S=1, O=1)
    / ICMPv6NDOptDstLLAddr(lladdr=BOB_MAC)
)
case.send("g1", question)
case.expect("g1", answer)
claim = ether(ALICE_MAC, "33:33:ff:00:00:02") / IPv6(src="::", dst="ff02::1:ff00:2", hlim=255) / ICMPv6ND_NS(tgt=BOB6)
case.send("g1", claim)
case.expect("g2", claim)
case.lookups(hits=0, misses=4)
case.write()
