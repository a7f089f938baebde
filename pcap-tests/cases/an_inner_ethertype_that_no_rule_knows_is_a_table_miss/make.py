"""The frame in the tunnel is neither IPv4 nor ARP, and the rules know no other.

Among them frames whose EtherType promises a header that they do not have: the EtherType is what counts, so IPv4 without
an IPv4 header still matches a rule for `ip`.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
known = [
    udp_frame(),
    ether() / ARP(psrc=ALICE, pdst=BOB),
    ether(type=0x0800) / Raw(b"\x45"),
]
for frame in known:
    case.send("eth1", from_there(frame, 100))
    case.expect("g1", frame)
unknown = [
    ether(type=0x88B5) / Raw(b"an experiment (IEEE 802)"),
    ether(type=0x86DD) / Raw(b"\x60"),
    ether(type=46) / Raw(bytes(46)),  # a length: IEEE 802.3
    ether(type=0x8100) / Raw(b"\0"),  # a tag cut short
    ether(type=0xFFFF),
]
for frame in unknown:
    case.send("eth1", from_there(frame, 100))
    case.dropped("eth1", "table_miss")
# The rules ask for no more than the type: the two of IPv4 are of one flow.
case.lookups(hits=1, misses=7)
case.write()
