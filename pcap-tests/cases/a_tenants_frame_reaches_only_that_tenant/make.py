"""Two tenants use the same MAC and IP addresses; the tunnel key keeps them apart, both ways.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame(b"the same frame")
for port, vni in (("g1", 100), ("g2", 200)):
    case.send(port, frame)
    case.expect("eth1", encap(frame, vni))
for port, vni in (("g1", 100), ("g2", 200)):
    case.send("eth1", from_there(frame, vni))
    case.expect(port, frame)
case.entropy("eth1", 34)
case.lookups(hits=0, misses=4)
case.write()
