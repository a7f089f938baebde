"""A group of type select with one bucket that can be taken: the others have weight 0, or watch a port that is not there.

One conversation is looked up once; its second frame finds what the first one got.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2", "g3"])
for dport in (1, 2, 3):
    case.send("g1", udp_frame(dport=dport))
    case.expect("g2", udp_frame(dport=dport))
case.send("g1", udp_frame(dport=3))
case.expect("g2", udp_frame(dport=3))
case.lookups(hits=1, misses=3)
case.write()
