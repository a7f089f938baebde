"""Linux guests leave the TCP or UDP checksum to the device (CHECKSUM_PARTIAL): the field holds the sum of the pseudo-header
alone. For guests the switch is the device. scapy says what the checksum is.

On the way out, into a tunnel, out of a tunnel, and after a rewrite of what the sum covers. Padding behind the packet is
not summed and does not go out with it.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
ip4, ip6 = IP(src=ALICE, dst=BOB), IPv6(src=ALICE6, dst=BOB6)
whole = [
    ether() / ip4 / UDP(sport=4000, dport=5000) / Raw(b"odd"),
    ether() / ip4 / TCP(sport=4000, dport=5000, flags="PA") / Raw(b"stream"),
    ether() / ip6 / UDP(sport=4000, dport=5000) / Raw(b"six"),
    ether() / ip6 / TCP(sport=4000, dport=5000, flags="PA") / Raw(b"stream"),
]
for conversation, frame in enumerate(whole):
    assert bytes(frame) != unfilled(frame)
    case.send("g1", unfilled(frame))
    case.expect("g2", frame)
    case.send("g1", unfilled(frame) + b"\xee" * 5)
    case.expect("g2", frame)
    case.send("g2", unfilled(frame))
    case.expect("eth1", encap(frame, 100, conversation))
    case.send("eth1", from_there(unfilled(frame), 100))
    case.expect("g2", frame)

rewritten = IP(src=ALICE, dst="172.16.0.9")
for old, new in (
    (UDP(sport=4000, dport=53) / Raw(b"name?"), UDP(sport=4000, dport=5353) / Raw(b"name?")),
    (TCP(sport=4000, dport=80) / Raw(b"GET /"), TCP(sport=4000, dport=8080) / Raw(b"GET /")),
):
    case.send("g1", unfilled(ether() / ip4 / old))
    case.expect("g2", ether() / rewritten / new)
case.entropy("eth1", 34)
case.lookups(hits=4, misses=14)
case.write()
