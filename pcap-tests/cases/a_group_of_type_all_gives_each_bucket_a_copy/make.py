"""A group of type all: each bucket works on a copy of its own (OpenFlow 1.3 section 5.6.1), so what the first one changes is
not seen by the second, nor by what follows the group.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2", "g3"])
other = ether(dst="02:00:00:00:0c:03") / IP(src=ALICE, dst=BOB) / UDP(sport=4000, dport=5000) / Raw(b"hello")
case.send("g1", udp_frame())
case.expect("g2", other)
case.expect("g2", udp_frame())
case.expect("g3", udp_frame())
case.lookups(hits=0, misses=1)
case.write()
