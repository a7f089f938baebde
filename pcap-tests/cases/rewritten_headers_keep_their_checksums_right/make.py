"""Addresses, ports, type of service and time to live are rewritten; scapy says what the checksums then are.

Among them a UDP checksum that comes to zero and is sent as ones (RFC 768), one that is absent and stays absent, ICMP, whose
checksum covers no addresses, and ICMPv6, whose checksum does. The first fragment has ports, and a checksum over all
fragments that must move with them.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
NEW_MAC, NEW_SRC, NEW_DST, NEW_SRC6 = "02:00:00:00:0c:03", "172.16.0.1", "198.51.100.200", "fd00::77"
old4, new4 = IP(src=ALICE, dst=BOB), IP(src=NEW_SRC, dst=NEW_DST, ttl=9, tos=0xB8)
old6, new6 = IPv6(src=ALICE6, dst=BOB6), IPv6(src=NEW_SRC6, dst=BOB6, hlim=9)
old, new = ether(), ether(src=NEW_MAC)


def zero_sum(ip):
    """A payload that makes the checksum of the rewritten datagram zero before it is made ones."""
    without = ether() / ip / UDP(sport=1, dport=65535) / Raw(b"\0\0")
    return Ether(bytes(without))[UDP].chksum.to_bytes(2, "big")


for payload in (b"payload", b"", zero_sum(new4)):
    case.send("g1", old / old4 / UDP(sport=4000, dport=5000) / Raw(payload))
    case.expect("g2", new / new4 / UDP(sport=1, dport=65535) / Raw(payload))
assert Ether(bytes(new / new4 / UDP(sport=1, dport=65535) / Raw(zero_sum(new4))))[UDP].chksum == 0xFFFF

case.send("g1", old / old4 / UDP(sport=4000, dport=5000, chksum=0) / Raw(b"unsummed"))
case.expect("g2", new / new4 / UDP(sport=1, dport=65535, chksum=0) / Raw(b"unsummed"))

case.send("g1", old / old4 / TCP(sport=4000, dport=5000, flags="PA", seq=1) / Raw(b"stream"))
case.expect("g2", new / new4 / TCP(sport=1, dport=65535, flags="PA", seq=1) / Raw(b"stream"))

case.send("g1", old / old4 / ICMP(id=7, seq=1) / Raw(b"ping"))
case.expect("g2", new / new4 / ICMP(id=7, seq=1) / Raw(b"ping"))

whole_old, whole_new = old4 / UDP(sport=4000, dport=5000) / Raw(bytes(32)), new4 / UDP(sport=1, dport=65535) / Raw(bytes(32))
udp_old, udp_new = bytes(whole_old)[20:], bytes(whole_new)[20:]
case.send("g1", old / IP(src=ALICE, dst=BOB, flags="MF", proto=17) / Raw(udp_old[:24]))
case.expect("g2", new / IP(src=NEW_SRC, dst=NEW_DST, ttl=9, tos=0xB8, flags="MF", proto=17) / Raw(udp_new[:24]))

case.send("g1", old / old6 / UDP(sport=4000, dport=5000) / Raw(b"six"))
case.expect("g2", new / new6 / UDP(sport=1, dport=65535) / Raw(b"six"))
case.send("g1", old / old6 / TCP(sport=4000, dport=5000) / Raw(b"six!"))
case.expect("g2", new / new6 / TCP(sport=1, dport=65535) / Raw(b"six!"))
case.send("g1", old / old6 / ICMPv6EchoRequest(id=7) / Raw(b"ping"))
case.expect("g2", new / new6 / ICMPv6EchoRequest(id=7) / Raw(b"ping"))

case.send("g1", old / ARP(op=1, hwsrc=ALICE_MAC, psrc=ALICE, pdst=BOB))
case.expect("g2", new / ARP(op=1, hwsrc=NEW_MAC, psrc=NEW_SRC, pdst=BOB))
# Datagrams are of one flow whatever they carry, and whether or not they have a checksum.
case.lookups(hits=3, misses=8)
case.write()
