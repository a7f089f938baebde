"""df_default = false: routers may fragment them, so each has an identification of its own (RFC 6864 section 4), whichever tunnel it is in.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for number in range(4):
    conversation, build = (number % 2, (vxlan, geneve)[number % 2])
    frame = udp_frame(sport=4000 + conversation)
    case.send("g1", frame)
    case.expect("eth1", outer(id=number, flags=0) / build(frame, 100, conversation))
case.entropy("eth1", 34)
case.lookups(hits=2, misses=2)
case.write()
