"""RFC 7348 section 4.3: a tunnel's end may discard fragments. The first looks like a whole tunnel packet, and dies as well.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
first = from_there(udp_frame(), 100, flags="MF")
later = Ether(src=THERE_MAC, dst=HERE_MAC) / IP(src=THERE, dst=HERE, frag=3, proto=17) / Raw(b"the rest of it")
middle = Ether(src=THERE_MAC, dst=HERE_MAC) / IP(src=THERE, dst=HERE, frag=3, flags="MF", proto=17) / Raw(bytes(8))
for fragment in (first, middle, later):
    case.send("eth1", fragment)
    case.dropped("eth1", "outer_fragment")
case.lookups(hits=0, misses=0)
case.write()
