"""RFC 7637 section 3.2: both bits must be zero, and the key must be there.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
for header in (gre(frame, key=5001 << 8, csum=True), gre(frame, key=5001 << 8, seq=1), gre(frame)):
    case.send("eth1", inbound() / header)
    case.dropped("eth1", "unknown_tunnel")
case.write()
