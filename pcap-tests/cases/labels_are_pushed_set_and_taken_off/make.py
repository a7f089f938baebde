"""Labels: put on an IP frame and on a labelled one, set, and taken off so that a later table sees what was below."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403
from scapy.contrib.mpls import MPLS  # noqa: E402

case = Case(__file__)
ip = IP(src=ALICE, dst=BOB, ttl=9) / UDP(sport=4000, dport=5000) / Raw(b"hello")
case.send("g1", ether() / ip)
first = MPLS(label=10, cos=3, s=1, ttl=9) / ip
case.expect("g2", ether(type=0x8847) / first)
case.expect("g3", ether(type=0x8847) / MPLS(label=20, cos=3, s=0, ttl=9) / first)
case.send("g2", ether(type=0x8847) / MPLS(label=7, cos=0, s=1, ttl=64) / ip)
lower = IP(src=ALICE, dst=BOB, ttl=8) / UDP(sport=4000, dport=5000) / Raw(b"hello")
case.expect("g1", ether() / lower)
stack = MPLS(label=8, s=0, ttl=4) / MPLS(label=9, s=1, ttl=5) / ip
case.send("g2", ether(type=0x8847) / stack)
case.expect("g3", ether(type=0x8847) / MPLS(label=9, s=1, ttl=4) / ip)
case.send("g3", ether() / ip)
case.dropped("g3", "table_miss")
case.lookups(hits=0, misses=4)
case.write()
