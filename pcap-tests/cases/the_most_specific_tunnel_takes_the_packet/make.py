"""Five tunnel ports could take the packets. A fixed key goes before an open one, then a fixed remote end, then a fixed local
end (Open vSwitch, lib/netdev-vport, says the same).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g1", "g2", "g3", "g4", "g5"])
frame = udp_frame()
for port, vni, remote, local in (
    ("g1", 7, "198.51.100.1", HERE),  # open: key 7, from anybody
    ("g2", 7, THERE, HERE),  # from 192.0.2.2
    ("g3", 100, "198.51.100.1", HERE),  # key 100
    ("g4", 100, THERE, "192.0.2.11"),  # key 100 from 192.0.2.2
    ("g5", 100, THERE, HERE),  # key 100 from 192.0.2.2 to 192.0.2.1
):
    case.send("eth1", from_there(frame, vni, src=remote, dst=local))
    case.expect(port, frame)
case.lookups(hits=0, misses=5)
case.write()
