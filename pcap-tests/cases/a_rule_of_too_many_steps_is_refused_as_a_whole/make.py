"""A frame with 513 outputs comes to more steps than a frame may take: it sends nothing, rather than part of it. One with 512 is sent as often.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
case.send("g1", udp_frame(dport=513))
case.dropped("g1", "too_many_actions")
case.send("g1", udp_frame(dport=512))
for _ in range(512):
    case.expect("g2", udp_frame(dport=512))
case.lookups(hits=0, misses=2)
case.write()
