"""What is done to other frames is done to those that fit no buffer of the kernel's: changed addresses and ports with the checksums that cover them,
copies, tags, the first bytes alone, and all bytes for the controller.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2", "g3"])
pattern = bytes(range(251)) * 40
whole = udp_frame(pattern[:8972], dport=1)
changed = ether() / IP(src=ALICE, dst="172.16.0.9") / UDP(sport=4000, dport=5353) / Raw(pattern[:8972])
for sent in (bytes(whole), unfilled(whole)):
    case.send("g1", sent)
    case.expect("g2", whole)
    case.expect("g3", changed)

# To all ports but its own, and to the controller.
whole = udp_frame(pattern[:8972], dport=2)
case.send("g1", whole)
case.expect("controller", whole)
for port in ("g2", "g3"):
    case.expect(port, whole)

# The first 5,000 bytes; of a frame that leaves its checksum to the device, too.
whole = udp_frame(pattern[:8972], dport=3)
for sent in (bytes(whole), unfilled(whole)):
    case.send("g1", sent)
    case.expect("g2", bytes(whole)[:5000])
    case.expect("controller", bytes(whole)[:6000])
    case.expect("g3", whole)

# Its changes are those of a copy.
whole = udp_frame(pattern[:8972], dport=4)
case.send("g1", whole)
case.expect("g2", bytes(whole)[:12] + b"\x81\x00\x00\x07" + bytes(whole)[12:])
case.expect("g3", whole)
case.lookups(hits=2, misses=4)
case.write()
