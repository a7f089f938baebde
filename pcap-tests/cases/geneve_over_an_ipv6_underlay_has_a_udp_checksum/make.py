"""RFC 8926 section 3.3, RFC 8200 section 8.1.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for conversation, payload in enumerate((b"", b"odd", b"even")):
    frame = udp_frame(payload, sport=4000 + conversation)
    case.send("g1", frame)
    case.expect("eth1", outer(6) / geneve(frame, 0xFFFFFF, conversation, csum=True))
    case.send("eth1", inbound(6) / geneve(frame, 0xFFFFFF, csum=True))
    case.expect("g1", frame)
case.entropy("eth1", 54, checksum=60)
case.lookups(hits=4, misses=2)
case.write()
