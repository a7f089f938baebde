"""oam = "flow": as in Open vSwitch, the rules see tun_flags, and set them for what they send.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
case.send("eth1", inbound() / geneve(frame, 100, oam=1))
case.expect("g1", frame)
case.send("eth1", inbound() / geneve(frame, 100))
case.dropped("eth1", "table_miss")
for conversation, oam in ((0, 1), (1, 0)):
    frame = udp_frame(sport=4000 + conversation)
    case.send("g1", frame)
    case.expect("eth1", outer() / geneve(frame, 100, conversation, oam=oam))
case.entropy("eth1", 34)
case.lookups(hits=0, misses=4)
case.write()
