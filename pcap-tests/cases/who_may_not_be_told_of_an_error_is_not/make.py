"""RFC 1122 section 3.2.2: no ICMP error is sent about an ICMP error, a broadcast or multicast, a fragment other than the first, or a source that is
no single host. RFC 4443 section 2.4 (e) says the same of ICMPv6, but for fragments, and adds redirects. An echo request is no error. What is too
long and cannot be made shorter by its sender, IPv6 of 1280 bytes, is dropped too, and so is what is no IP.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
FITS = 1500 - 20 - 8 - 8 - 14
body = Raw(bytes(1440))


def four(link=None, transport=None, **ip):
    return (link or ether()) / IP(**{"src": ALICE, "dst": BOB, "flags": "DF", **ip}) / (transport or UDP()) / body


def six(transport=None, **ip):
    return ether() / IPv6(**{"src": ALICE6, "dst": BOB6, **ip}) / (transport or UDP()) / body


untold = [
    four(transport=ICMP(type=3, code=1)),
    four(transport=ICMP(type=11)),
    four(transport=ICMP(type=5)),
    four(link=ether(dst="ff:ff:ff:ff:ff:ff"), dst="255.255.255.255"),
    four(link=ether(dst="ff:ff:ff:ff:ff:ff"), dst="10.0.0.255"),
    four(link=ether(dst="01:00:5e:00:00:05"), dst="224.0.0.5"),
    four(dst="224.0.0.5"),
    four(src="0.0.0.0"),
    four(src="127.0.0.1"),
    four(src="240.0.0.1"),
    four(frag=1),
    six(transport=ICMPv6DestUnreach()),
    six(transport=ICMPv6PacketTooBig()),
    edited(six(transport=ICMPv6EchoRequest()), 14 + 40, b"\x89"),
    six(dst="ff02::5"),
    six(src="::"),
    six(src="::1"),
]
told = [
    (four(transport=ICMP(type=8)), frag_needed),
    (six(transport=ICMPv6EchoRequest()), packet_too_big),
    (six(transport=IPv6ExtHdrFragment(offset=100, m=1, nh=17)), packet_too_big),
]
for frame in untold:
    case.send("g1", frame)
    case.too_long(untold=1)
for frame, answer in told:
    case.send("g1", frame)
    case.expect("g1", answer(frame, FITS))
    case.too_long(told=1)
case.dropped("g1", "exceeds_mtu", len(untold) + len(told))
case.lookups(hits=18, misses=2)
case.write()
