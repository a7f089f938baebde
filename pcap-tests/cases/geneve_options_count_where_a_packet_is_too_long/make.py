"""Options make a Geneve packet longer: what fits the way of a tunnel is less by all of them (RFC 8926 section 3.5: four bytes each beside
their data). A packet that fits without them and not with them is judged with them: its sender is told what fits (RFC 1191
section 4, RFC 8201 section 4), or it goes in fragments, each with all options. One that just fits is sent.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
OPTIONS = [
    GeneveOptions(classid=0x102, type=0x80, data=b"\0\0\0\5"),
    GeneveOptions(classid=0xFFFF, type=0x01, data=bytes(19) + b"\7"),
]
LENGTH = sum(len(bytes(option)) for option in OPTIONS)
assert LENGTH == 8 + 24
FITS = 1500 - 20 - 8 - 8 - LENGTH - 14
PATTERN = bytes(range(256)) * 6


def packet(frame):
    return outer() / geneve(frame, 100, options=OPTIONS, critical=1)


just = udp_frame(PATTERN[: FITS - 28], flags="DF", id=7)
case.send("g1", just)
case.expect("eth1", packet(just))
longer = udp_frame(PATTERN[: FITS + 1 - 28], flags="DF", id=8)
case.send("g1", longer)
case.expect("g1", frag_needed(longer, FITS))
six = ether() / IPv6(src=ALICE6, dst=BOB6) / UDP(sport=4000, dport=5000) / Raw(PATTERN[: FITS + 1 - 48])
case.send("g1", six)
case.expect("g1", packet_too_big(six, FITS))
case.dropped("g1", "exceeds_mtu", 2)
case.too_long(told=2)
may = udp_frame(PATTERN[: FITS + 1 - 28], id=9)
case.send("g1", may)
pieces = fragment(Ether(bytes(may)), (FITS - 20) // 8 * 8)
for piece in pieces:
    case.expect("eth1", packet(piece))
case.too_long(fragmented=1, fragments=len(pieces))
case.entropy("eth1", 34)
case.lookups(hits=2, misses=2)
case.write()
