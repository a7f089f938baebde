"""IEEE 802.1ah: the customer's frame goes behind a service tag with its addresses copied in front, and comes out of it by service."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403
from scapy.contrib.mpls import MPLS  # noqa: E402

case = Case(__file__)
customer = ether() / Dot1Q(prio=5, vlan=6) / IP(src=ALICE, dst=BOB) / UDP(sport=4000, dport=5000) / Raw(b"hello")


def backbone(priority, service, frame):
    """IEEE 802.1Q section 9.7: priority, drop eligibility, use of customer addresses, reserved bits, service."""
    tag = struct.pack(">I", priority << 29 | service)
    return Ether(bytes(ether(type=0x88E7))[:14] + tag + bytes(frame))


case.send("g1", customer)
case.expect("g2", backbone(5, 0x123456, customer))
case.send("g2", backbone(5, 0x123456, customer))
case.expect("g1", customer)
case.send("g2", backbone(0, 7, customer))
case.dropped("g2", "rule_drop")
case.lookups(hits=0, misses=3)
case.write()
