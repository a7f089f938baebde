"""The same over IPv6, around IPv6 and behind a tag.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for ecn in range(4):
    frame = ether() / Dot1Q(vlan=5) / IPv6(src=ALICE6, dst=BOB6, tc=0xB8 | ecn) / UDP() / b"six"
    case.send("g1", frame)
    case.expect("eth1", outer(6, tos=ecn) / gre(frame, key=100))
case.lookups(hits=0, misses=4)
case.write()
