"""A guest's packet is one byte longer than the way of a tunnel carries, and nobody may fragment it: the guest is told what fits, by
ICMP of its own family, from the address that it wrote to. RFC 1191 section 4, RFC 8201 section 4. What fits follows from the headers of
the tunnel and the way's MTU of 1500.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
MTU, LINK = 1500, 14
# What each kind puts around a frame, behind the outer IP header: RFC 7348, RFC 2890 with a key, RFC 7637, RFC 8926.
AROUND = [8 + 8, 8, 8, 8 + 8]
for kind, around in enumerate(AROUND):
    for version, header in enumerate((20, 40)):
        fits = MTU - header - around - LINK
        port = 5000 + 2 * kind + version
        four = udp_frame(bytes(fits + 1 - 20 - 8), dport=port, flags="DF", id=7)
        case.send("g1", four)
        case.expect("g1", frag_needed(four, fits))
        six = ether() / IPv6(src=ALICE6, dst=BOB6, tc=0x28, fl=5) / UDP(sport=4000, dport=port)
        six /= Raw(bytes(fits + 1 - 40 - 8))
        case.send("g1", six)
        case.expect("g1", packet_too_big(six, fits))
        case.dropped("g1", "exceeds_mtu", 2)
        case.too_long(told=2)
case.lookups(hits=0, misses=16)
case.write()
