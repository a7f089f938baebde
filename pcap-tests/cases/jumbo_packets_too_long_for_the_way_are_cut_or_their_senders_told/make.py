"""Packets of up to 16,114 bytes, and ways that carry 9,000, 4,000, 1,500 and more than the switch at the other end takes: what may be
fragmented is (RFC 791 section 3.2), each piece in a tunnel packet of its own, and that may be a jumbo frame too; of what must not be,
the sender is told what fits, by a message that quotes no more than others (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c)). TCP's
segment sizes are lowered to what fits where that is asked for.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
pattern = bytes(range(251)) * 64
for number, mtu in enumerate((9000, 4000, 1500, 65535)):
    # What a switch takes: 16,128 bytes with the Ethernet header.
    fits = min(mtu, 16128 - 14) - 20 - 8 - 8 - 14
    remote, port = f"192.0.2.{2 + number}", 5000 + number
    for size in (fits + 1, 16000 if mtu <= 9000 else 16114):
        whole = udp_frame(pattern[: size - 28], dport=port, id=size)
        pieces = fragment(Ether(bytes(whole)), (fits - 20) // 8 * 8)
        for sent in (bytes(whole), unfilled(whole)):
            case.send("g1", sent)
            for piece in pieces:
                case.expect("eth1", encap(piece, 100, number, dst=remote))
            case.too_long(fragmented=1, fragments=len(pieces))
        four = udp_frame(pattern[: size - 28], dport=port, flags="DF", id=7)
        case.send("g1", four)
        case.expect("g1", frag_needed(four, fits))
        six = ether() / IPv6(src=ALICE6, dst=BOB6) / UDP(sport=4000, dport=port) / Raw(pattern[: size - 48])
        case.send("g1", six)
        case.expect("g1", packet_too_big(six, fits))
        case.dropped("g1", "exceeds_mtu", 2)
        case.too_long(told=2)
# Segments are held to what fits, too.
for version, network in ((4, IP(src=ALICE, dst=BOB, flags="DF")), (6, IPv6(src=ALICE6, dst=BOB6))):
    asked, fits = (
        ether() / network / TCP(sport=4000, dport=80, flags="S", options=[("MSS", mss)])
        for mss in (15960, 9000 - 50 - (40 if version == 4 else 60))
    )
    case.send("g1", asked)
    case.expect("eth1", encap(fits, 100, 10 + version))
    case.too_long(clamped=1)
case.entropy("eth1", 34)
case.lookups(hits=24, misses=10)
case.write()
