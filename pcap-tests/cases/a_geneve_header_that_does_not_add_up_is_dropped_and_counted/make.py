"""RFC 8926: another version (section 3.4), options beyond the end of the packet, options that do not fill their length (section 3.5).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
good = bytes(inbound() / geneve(frame, 100, options=[GeneveOptions(classid=0x102, type=1, data=bytes(4))]))
for at, value in ((42, 0x42), (42, 0xC2), (42, 0x3F), (42, 0x01), (53, 0x02), (53, 0x1F)):
    case.send("eth1", edited(good, at, [value]))
    case.dropped("eth1", "tunnel_header")
for size in (0, 7):
    case.send("eth1", inbound() / UDP(sport=50000, dport=6081, chksum=0) / Raw(good[42 : 42 + size]))
    case.dropped("eth1", "tunnel_header")
case.send("eth1", good)
case.expect("g1", frame)
case.lookups(hits=0, misses=1)
case.write()
