"""RFC 7348 section 5: the I flag must be set for a valid VNI; all other flags and reserved fields are ignored on receipt.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
VNI = b"\0\0\x64"
for flags in (0x00, 0xF7):
    case.send("eth1", from_there(frame, 100, header=bytes([flags, 0, 0, 0]) + VNI + b"\0"))
    case.dropped("eth1", "tunnel_header")
case.send("eth1", from_there(frame, 100, header=b"\xff\xff\xff\xff" + VNI + b"\xff"))
case.expect("g1", frame)
case.lookups(hits=0, misses=1)
case.write()
