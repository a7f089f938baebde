"""The time to live of a label is counted down; at 1 the frame goes no further. Nor does one whose fourth label would come to the front."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403
from scapy.contrib.mpls import MPLS  # noqa: E402

case = Case(__file__)
ip = IP(src=ALICE, dst=BOB) / UDP(sport=4000, dport=5000) / Raw(b"hello")
for ttl in (2, 1):
    case.send("g1", ether(type=0x8847) / MPLS(label=1, s=1, ttl=ttl) / ip)
    if ttl == 2:
        case.expect("g1", ether(type=0x8847) / MPLS(label=1, s=1, ttl=1) / ip)
    else:
        case.dropped("g1", "ttl_expired")
deep = MPLS(label=2, s=0, ttl=9) / MPLS(label=3, s=0, ttl=9) / MPLS(label=4, s=0, ttl=9) / MPLS(label=5, s=1, ttl=9) / ip
case.send("g1", ether(type=0x8847) / deep)
case.dropped("g1", "too_many_headers")
case.lookups(hits=0, misses=3)
case.write()
