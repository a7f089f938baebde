"""Bytes behind the outer IP packet, as padding or a frame check sequence, belong to the outer frame.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame(b"")
for more in (b"", b"\xee" * 4, b"\xee" * 18):
    case.send("eth1", bytes(from_there(frame, 100)) + more)
    case.expect("g1", frame)
case.lookups(hits=2, misses=1)
case.write()
