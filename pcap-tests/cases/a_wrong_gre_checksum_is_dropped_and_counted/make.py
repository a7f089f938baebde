"""Damage in the GRE header or in what it carries, where the sender has summed it (RFC 2784 section 2.5). Without a checksum nobody can
tell. The reserved half of the checksum's word is covered and otherwise ignored.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
good = bytes(inbound() / gre(frame, key=100, csum=True))
for at in (38, 39, 44, 60, len(good) - 1):
    case.send("eth1", edited(good, at, [good[at] ^ 1]))
    case.dropped("eth1", "gre_checksum")
case.send("eth1", good)
case.expect("g1", frame)
case.lookups(hits=0, misses=1)
case.write()
