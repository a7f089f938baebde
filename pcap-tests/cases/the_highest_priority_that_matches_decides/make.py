"""Rules that overlap: by priority, by prefix, by port.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2", "g3", "g4"])
for dst, dport, port in (
    ("10.1.2.3", 80, "g4"),
    ("10.1.2.3", 81, "g3"),
    ("10.1.9.9", 80, "g4"),
    ("10.2.0.1", 81, "g2"),
):
    frame = udp_frame(dst=dst, dport=dport)
    case.send("g1", frame)
    case.expect(port, frame)
case.send("g1", udp_frame(dst="11.0.0.1", dport=80))
case.dropped("g1", "rule_drop")
# 10.1.2.3 and 10.1.9.9 with port 80 are of one flow: of the address the rules ask for 16 bits.
case.lookups(hits=1, misses=4)
case.write()
