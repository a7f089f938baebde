"""RFC 8926 section 3.5.1: an option that nobody here knows is skipped; with the critical bit in its type it ends the packet, whatever
the header's own C bit says. Reserved bits are ignored.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
harmless = GeneveOptions(classid=0x102, type=0x01, data=bytes(4))
longest = GeneveOptions(classid=0xFFFF, type=0x7F, data=bytes(124))
critical = GeneveOptions(classid=0x102, type=0x80, data=bytes(4))
for options in ([harmless], [longest], [harmless, longest]):
    case.send("eth1", inbound() / geneve(frame, 100, options=options))
    case.expect("g1", frame)
for options, said in (([critical], 1), ([critical], 0), ([harmless, critical], 1)):
    case.send("eth1", inbound() / geneve(frame, 100, options=options, critical=said))
    case.dropped("eth1", "critical_option")
case.send("eth1", edited(inbound() / geneve(frame, 100), 43, [0x3F]))
case.expect("g1", frame)
case.lookups(hits=3, misses=1)
case.write()
