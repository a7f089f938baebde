"""RFC 7637 section 3.2: the key is there, checksum and sequence number are not; 24 bits of it are the network, 8 are a hash of the
flow, which is the same for all frames of a conversation. What comes in may have any FlowID, zero included.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for conversation, payload in ((1, b"one"), (2, b"two"), (1, b"one again")):
    frame = udp_frame(payload, sport=4000 + conversation)
    case.send("g1", frame)
    case.expect("eth1", outer() / nvgre(frame, 0x123456, flow_id=conversation))
for flow_id in (0, 1, 255):
    case.send("eth1", inbound() / nvgre(frame, 0x123456, flow_id))
    case.expect("g1", frame)
case.flow_id("eth1", 41)
case.lookups(hits=4, misses=2)
case.write()
