"""A guest's packet is too long for the way of a tunnel and may be fragmented: it is, and each fragment travels in a tunnel packet of its
own, all by one way (RFC 791 section 3.2). Options without the copied flag are in the first fragment alone; a fragment is cut further
and keeps its place; a checksum that the guest left to the device is filled in before. Another port gets the whole.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
FITS = 1500 - 20 - 8 - 8 - 14
# Record route: not copied. Stream identifier: copied.
ROUTE, STREAM = b"\x07\x07\x04\0\0\0\0", b"\x88\x04\x12\x34"


def cut(frame, conversation, options=b"", later=b""):
    """The tunnel packets, by scapy, which leaves options as they are: those of later fragments are written over here."""
    frame = Ether(bytes(frame))
    size = (FITS - 20 - len(options)) // 8 * 8
    pieces = fragment(frame, size)
    for number, piece in enumerate(pieces):
        if options and number:
            piece = ip_checksum(edited(piece, 14 + 20, later))
        case.expect("eth1", encap(piece, 100, conversation))
    case.too_long(fragmented=1, fragments=len(pieces))


def send(frame, conversation, **more):
    case.send("g1", frame)
    cut(frame, conversation, **more)
    case.expect("g2", frame)


pattern = bytes(range(256)) * 6
send(udp_frame(pattern[:1431], id=0x1234), 0)
send(udp_frame(pattern[:1472], id=0x1235, tos=0x28, ttl=9), 0)
options = ROUTE + b"\x01" + STREAM
link, datagram = ether(), UDP(sport=4000, dport=5000) / Raw(pattern[:1440])
# scapy computes the header; the options are given as bytes.
packet = IP(src=ALICE, dst=BOB, id=0x1236, ihl=8, options=[], len=32 + 8 + 1440, proto=17) / Raw(options)
body = IP(src=ALICE, dst=BOB, len=20 + 8 + 1440) / datagram
frame = ip_checksum(bytes(link / packet) + bytes(body)[20:])
send(frame, 0, options=options, later=b"\x01" * 8 + STREAM)
# A fragment in the middle of a datagram: no ports, so it goes by a way of its own.
middle = ether() / IP(src=ALICE, dst=BOB, id=0x1237, frag=100, flags="MF", proto=17) / Raw(pattern[:1480])
case.send("g1", middle)
case.expect("eth1", encap(ether() / IP(src=ALICE, dst=BOB, id=0x1237, frag=100, flags="MF", proto=17) / Raw(pattern[:1424]), 100, 1))
case.expect("eth1", encap(ether() / IP(src=ALICE, dst=BOB, id=0x1237, frag=278, flags="MF", proto=17) / Raw(pattern[1424:1480]), 100, 1))
case.expect("g2", middle)
case.too_long(fragmented=1, fragments=2)
whole = udp_frame(pattern[:1472], sport=4001, id=0x1238)
case.send("g1", unfilled(whole))
cut(whole, 2)
case.expect("g2", whole)
case.entropy("eth1", 34)
case.lookups(hits=4, misses=1)
case.write()
