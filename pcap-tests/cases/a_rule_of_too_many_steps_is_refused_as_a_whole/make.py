"""A rule of 65 outputs comes to more steps than a frame may take: it sends nothing, rather than part of it. One of 64 is done.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
case.send("g1", udp_frame(dport=65))
case.dropped("g1", "too_many_actions")
case.send("g1", udp_frame(dport=64))
for _ in range(64):
    case.expect("g2", udp_frame(dport=64))
case.lookups(hits=0, misses=2)
case.write()
