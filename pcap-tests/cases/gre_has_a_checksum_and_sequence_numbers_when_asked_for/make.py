"""RFC 2784 section 2.5: the sum over GRE header and payload; RFC 2890 section 2.2: numbers that count from zero. What comes in is verified;
its numbers are not looked at: they come in any order.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for sequence, payload in enumerate((b"", b"odd", b"even")):
    frame = udp_frame(payload)
    case.send("g1", frame)
    case.expect("eth1", outer() / gre(frame, key=7, seq=sequence, csum=True))
frame = udp_frame(b"back")
for header in (gre(frame, key=7, seq=9, csum=True), gre(frame, key=7, seq=3, csum=True), gre(frame, key=7)):
    case.send("eth1", inbound() / header)
    case.expect("g1", frame)
case.lookups(hits=4, misses=2)
case.write()
