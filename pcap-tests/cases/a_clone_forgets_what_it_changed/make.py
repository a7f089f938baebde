"""clone: what is done inside is done on a copy (ovs-actions(7)). Fields, tags and registers are afterwards what they were
before.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2", "g3"])
headers = IP(src=ALICE, dst=BOB) / UDP(sport=4000, dport=5000) / Raw(b"hello")
case.send("g1", ether() / headers)
case.expect("g2", ether(dst="02:00:00:00:0c:03") / Dot1Q(vlan=5) / headers)
case.expect("g3", ether() / headers)
case.lookups(hits=0, misses=1)
case.write()
