"""What tells a sender that its packet is too long finds it: it has the tags that the packet had, also those that a rule has taken away; it
comes from the address that the sender wrote to and quotes what the sender sent, also where a rule has changed that. Who sent it
through a tunnel hears of it through that tunnel.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
FITS = 1500 - 20 - 8 - 8 - 14


def long(link=None):
    return (link or ether()) / IP(src=ALICE, dst=BOB, flags="DF") / UDP(sport=4000, dport=5000) / Raw(bytes(1472))


tagged = [
    # The tag is popped before: the packet may be as long as without.
    (ether() / Dot1Q(vlan=5, prio=3), FITS),
    # The tag travels along.
    (ether() / Dot1Q(vlan=6), FITS - 4),
    (ether(type=0x88A8) / Dot1AD(vlan=7, prio=1) / Dot1Q(vlan=8, prio=2), FITS - 8),
]
for link, fits in tagged:
    frame = long(link=link)
    case.send("g1", frame)
    case.expect("g1", frag_needed(frame, fits))
changed = ether() / IP(src=ALICE, dst=BOB, flags="DF", ttl=9) / UDP(sport=4000, dport=53) / Raw(bytes(1472))
case.send("g1", changed)
case.expect("g1", frag_needed(changed, FITS))
through = long()
case.send("eth1", inbound() / gre(through, key=7))
case.expect("eth1", outer() / gre(frag_needed(through, FITS), key=7))
case.dropped("g1", "exceeds_mtu", 4)
case.dropped("eth1", "exceeds_mtu", 1)
case.too_long(told=5)
case.lookups(hits=0, misses=5)
case.write()
