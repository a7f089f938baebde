"""A tunnel with remote_ip = "flow" sends to the address in tun_dst, which the flow must set, and takes frames from anybody.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for dport, remote in ((2, THERE), (3, "192.0.2.3")):
    frame = udp_frame(dport=dport)
    packet = encap(frame, 100, conversation=dport, dst=remote)
    if dport == 3:
        packet[Ether].dst = "02:00:00:00:00:03"
    case.send("g1", frame)
    case.expect("eth1", packet)
case.send("g1", udp_frame(dport=4))
case.dropped("g1", "no_tunnel_remote")
for remote in (THERE, "198.51.100.5"):
    case.send("eth1", from_there(udp_frame(), 100, src=remote))
    case.expect("g1", udp_frame())
case.entropy("eth1", 34)
# Where a packet came from is not asked by the rule of vx0.
case.lookups(hits=1, misses=4)
case.write()
