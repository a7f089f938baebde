"""RFC 7637 section 3.2: the sender removes the tags of the inner frame, and a receiver drops a frame that has one.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
tagged = ether() / Dot1Q(vlan=7) / frame[IP]
twice = ether(type=0x88A8) / Dot1AD(vlan=8) / Dot1Q(vlan=7) / frame[IP]
# A tag is part of what tells conversations apart.
for conversation, sent in ((1, frame), (2, tagged), (3, twice), (2, tagged)):
    case.send("g1", sent)
    case.expect("eth1", outer() / nvgre(frame, 5001, flow_id=conversation))
case.send("eth1", inbound() / nvgre(frame, 5001))
case.expect("g1", frame)
for came in (tagged, twice):
    case.send("eth1", inbound() / nvgre(came, 5001))
    case.dropped("eth1", "inner_tag")
case.flow_id("eth1", 41)
case.lookups(hits=3, misses=2)
case.write()
