"""One bit of the outer IPv4 header is not what its sender summed. The UDP checksum does not cover it: zero is what senders should
write there (RFC 7348 section 5).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
good = bytes(from_there(frame, 100))
for at, bit in ((15, 4), (18, 1), (22, 128), (24, 16), (29, 1)):
    case.send("eth1", edited(good, at, [good[at] ^ bit]))
    case.dropped("eth1", "outer_checksum")
for checksum in (b"\0\0", good[40:42]):
    case.send("eth1", edited(good, 40, checksum))
    case.expect("g1", frame)
case.lookups(hits=1, misses=1)
case.write()
