"""Length fields of the outer headers that contradict the packet.

What may be: a UDP length shorter than the IP packet. UDP's length then says what the frame is (RFC 768), and the rest is
nobody's.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame(b"x")
good = bytes(from_there(frame, 100))
size = len(good) - 14
IP_VERSION, IP_LENGTH, UDP_LENGTH = 14, 16, 38


def two(number):
    return number.to_bytes(2, "big")


for at, value in (
    (IP_VERSION, b"\x55"),  # version 5
    (IP_VERSION, b"\x44"),  # a header of 16 bytes
    (IP_LENGTH, two(0)),
    (IP_LENGTH, two(19)),  # shorter than its own header
    (IP_LENGTH, two(size + 1)),
    (IP_LENGTH, two(0xFFFF)),
):
    case.send("eth1", ip_checksum(edited(good, at, value)))
    case.dropped("eth1", "outer_header")
for length in (0, 7, size - 20 + 1, 0xFFFF):
    case.send("eth1", edited(good, UDP_LENGTH, two(length)))
    case.dropped("eth1", "outer_udp")

longer = from_there(bytes(frame) + b"not of the frame", 100)
case.send("eth1", edited(longer, UDP_LENGTH, two(size - 20) + b"\0\0"))  # no checksum
case.expect("g1", frame)
case.lookups(hits=0, misses=1)
case.write()
