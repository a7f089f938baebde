"""A broadcast goes to every port that the rule lists but for the one that it came in by (OpenFlow 1.3 section 4.5), each copy
as it is by then: the copies for the tunnels differ in their keys.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2", "g3"])
question = ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op="who-has", hwsrc=ALICE_MAC, psrc=ALICE, pdst=BOB)
case.send("g1", question)
for port in ("g2", "g3"):
    case.expect(port, question)
for vni in (100, 200):
    case.expect("eth1", encap(question, vni))
case.send("g2", question)
for port in ("g1", "g3"):
    case.expect(port, question)
for vni in (100, 200):
    case.expect("eth1", encap(question, vni))
answer = ether(src=BOB_MAC, dst=ALICE_MAC) / ARP(op="is-at", hwsrc=BOB_MAC, psrc=BOB, hwdst=ALICE_MAC, pdst=ALICE)
case.send("eth1", from_there(answer, 100))
case.expect("g1", answer)
case.entropy("eth1", 34)
case.lookups(hits=0, misses=3)
case.write()
