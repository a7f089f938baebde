"""Both are GRE with a key. A key whose upper 24 bits may be a network of NVGRE (0x1000 and above, RFC 7637 section 3.2) is looked up
as such first, any other as that of GRE; a checksum or a sequence number make it GRE in any case.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
frame = udp_frame()
case.send("eth1", inbound() / nvgre(frame, 5001, 3))
case.expect("g1", ether() / Dot1Q(vlan=1) / frame[IP])
case.send("eth1", inbound() / gre(frame, key=100))
case.expect("g1", frame)
for more in ({"csum": True}, {"seq": 5}):
    case.send("eth1", inbound() / gre(frame, key=5001 << 8, **more))
    case.expect("g1", frame)
case.send("eth1", inbound() / nvgre(frame, 5002, 3))
case.dropped("eth1", "table_miss")
case.lookups(hits=1, misses=4)
case.write()
