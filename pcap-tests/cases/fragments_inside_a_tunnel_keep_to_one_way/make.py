"""Later fragments of a datagram have no ports. If the outer source port depended on the first one's, a datagram would be
spread over several ways of the underlay: all fragments leave with one outer source port.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
datagram = IP(src=ALICE, dst=BOB, id=7) / UDP(sport=4000, dport=5000) / Raw(bytes(100))
payload = bytes(datagram)[20:]
fragments = [
    ether() / IP(src=ALICE, dst=BOB, id=7, flags="MF", proto=17) / Raw(payload[:48]),
    ether() / IP(src=ALICE, dst=BOB, id=7, flags="MF", frag=6, proto=17) / Raw(payload[48:96]),
    ether() / IP(src=ALICE, dst=BOB, id=7, frag=12, proto=17) / Raw(payload[96:]),
]
for fragment in fragments:
    case.send("g1", fragment)
    case.expect("eth1", encap(fragment, 100))
case.entropy("eth1", 34)
# The rule does not ask whether a frame is a fragment: all are of one flow.
case.lookups(hits=2, misses=1)
case.write()
