"""RFC 8926 section 3.5: options that the map names are known, critical ones too; they are matched, and sent in the order of their
fields with the C bit of section 3.4 where one is critical. One whose length the map does not have ends the packet.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()


def short(value, kind=0x80):
    return GeneveOptions(classid=0x102, type=kind, data=value.to_bytes(4, "big"))


long = GeneveOptions(classid=0xFFFF, type=0x01, data=bytes(range(20)))
unknown = GeneveOptions(classid=0x103, type=0x01, data=bytes(4))

# What the first rule wants to see; in any order, and beside what nobody knows.
for options in ([short(5), long], [long, unknown, short(5)]):
    case.send("eth1", inbound() / geneve(frame, 100, options=options, critical=1))
    case.expect("g1", frame)
# Another value, and none at all.
case.send("eth1", inbound() / geneve(frame, 100, options=[short(6)], critical=1))
case.dropped("eth1", "table_miss")
case.send("eth1", inbound() / geneve(frame, 100))
case.dropped("eth1", "table_miss")
# It is known by another length.
longer = GeneveOptions(classid=0x102, type=0x80, data=bytes(8))
case.send("eth1", inbound() / geneve(frame, 100, options=[longer], critical=1))
case.dropped("eth1", "option_length")
# What is set is sent.
case.send("g1", frame)
case.expect("eth1", outer() / geneve(frame, 100, options=[short(0x1234), GeneveOptions(classid=0xFFFF, type=1, data=bytes(19) + b"\7")], critical=1))
# What came is sent on, but for what is taken away, and what was not known.
case.send("g2", frame)
case.expect("eth1", outer() / geneve(frame, 100, options=[GeneveOptions(classid=0xFFFF, type=1, data=bytes(19) + b"\7")]))
case.entropy("eth1", 34)
case.lookups(hits=1, misses=5)
case.write()
