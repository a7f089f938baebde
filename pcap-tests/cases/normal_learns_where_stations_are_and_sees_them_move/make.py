"""NORMAL as IEEE 802.1Q section 8.6 has it: unknown destinations are flooded, known ones are not, a station that moves is
believed, and what is at home already is not sent back.

A frame's sender is known before the next frame comes in. The first frame of each kind and each that a change touches is looked
up in the rules.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
there, back = udp_frame(b"to bob"), ether(BOB_MAC, ALICE_MAC) / IP(src=BOB, dst=ALICE) / UDP() / Raw(b"to alice")
case.send("g1", there)  # nobody knows Bob
case.expect("g2", there)
case.expect("g3", there)
case.send("g2", back)
case.expect("g1", back)
case.send("g1", there)
case.expect("g2", there)
case.send("g3", there)  # Alice is behind g3 now
case.expect("g2", there)
case.send("g2", back)
case.expect("g3", back)
case.send("g3", back)  # and so is Bob: Alice has the frame already
case.dropped("g3", "behind_input")
case.send("g1", ether(dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=ALICE_MAC, psrc=ALICE, pdst=BOB))
for port in ("g2", "g3"):
    case.expect(port, ether(dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=ALICE_MAC, psrc=ALICE, pdst=BOB))
case.send("g2", back)
case.expect("g1", back)
case.lookups(hits=0, misses=8)
case.write()
