"""A guest's frame leaves by the uplink inside VXLAN.

Two conversations of two frames each. The outer source port is the same within a conversation; whatever else is in the
outer headers is known byte for byte.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for payload in (b"one", b"two"):
    for conversation in (0, 1):
        frame = udp_frame(payload, sport=4000 + conversation)
        case.send("g1", frame)
        case.expect("eth1", encap(frame, vni=100, conversation=conversation))
case.entropy("eth1", 34)
# The rule asks for nothing but the port, so all are of one flow.
case.lookups(hits=3, misses=1)
case.write()
