"""The kernel has no route to one remote end and no MAC address for the next hop to the other.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for dport, reason in ((1, "no_route"), (2, "no_neighbour")):
    case.send("g1", udp_frame(dport=dport))
    case.dropped("g1", reason)
case.lookups(hits=0, misses=2)
case.write()
