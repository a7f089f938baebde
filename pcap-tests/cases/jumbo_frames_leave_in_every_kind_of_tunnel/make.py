"""Packets that fill a way of 9,000 bytes to the last one, over IPv4 and IPv6, with outer checksums and without. Each is in one piece although no
buffer of the kernel's holds it. A checksum that the guest has left to its device is right, too, where the outer one covers it.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
MTU, LINK = 9000, 14
pattern = bytes(range(251)) * 40
# Uplink, address of the remote end, what is around a frame behind the outer IP header, and how scapy builds it.
WAYS = [
    ("eth1", "192.0.2.2", 16, lambda frame, n: vxlan(frame, 5001, n)),
    ("eth1", "192.0.2.2", 16, lambda frame, n: geneve(frame, 5001, n)),
    ("eth2", "192.0.2.3", 16, lambda frame, n: vxlan(frame, 5001, n, csum=True)),
    ("eth2", "192.0.2.3", 16, lambda frame, n: geneve(frame, 5001, n, csum=True)),
    ("eth3", "2001:db8::2", 16, lambda frame, n: vxlan(frame, 5001, n, csum=True)),
    ("eth3", "2001:db8::2", 16, lambda frame, n: geneve(frame, 5001, n, csum=True)),
    ("eth4", "192.0.2.4", 12, lambda frame, n: gre(frame, key=5001, csum=True)),
    ("eth4", "2001:db8::4", 8, lambda frame, n: gre(frame, key=5001)),
    ("eth5", "192.0.2.5", 8, lambda frame, n: nvgre(frame, 5001, n + 1)),
    ("eth6", "2001:db8::6", 8, lambda frame, n: nvgre(frame, 5001, n + 1)),
]
for number, (uplink, remote, around, build) in enumerate(WAYS):
    version = 6 if ":" in remote else 4
    fits = MTU - (40 if version == 6 else 20) - around - LINK
    four = udp_frame(pattern[: fits - 20 - 8], dport=5000 + number, flags="DF", id=7)
    six = ether() / IPv6(src=ALICE6, dst=BOB6) / TCP(sport=4000, dport=5000 + number, flags="A")
    six /= Raw(pattern[: fits - 40 - 20])
    for conversation, frame in enumerate((four, six)):
        conversation += 2 * number
        packet = outer(version, dst=remote) / build(frame, conversation)
        assert len(packet) == LINK + MTU
        # Half of them, over each family of each kind, are as a guest leaves them that has its device fill in checksums.
        left = (number + number // 2 + conversation) % 2
        case.send("g1", unfilled(frame) if left else frame)
        case.expect(uplink, packet)
case.entropy("eth1", 34)
case.entropy("eth2", 34, checksum=40)
case.entropy("eth3", 54, checksum=60)
case.flow_id("eth5", 41)
case.flow_id("eth6", 61)
case.lookups(hits=0, misses=20)
case.write()
