"""What the case scripts share: frames built by scapy, captures written byte for byte, counters said by hand.

A case says what comes in, what must come out, and which counters move:

    case = Case(__file__)
    case.send("g1", frame)             # comes in by g1, a millisecond after the frame before
    case.expect("eth1", packet)        # leaves by eth1 at the same time
    case.dropped("g1", "table_miss")   # or dies, and is counted
    case.lookups(hits=0, misses=1)
    case.write()

Frames come from scapy or are put together here by hand, with the RFC beside them; nothing comes from adit. Packet and byte
counters follow from what is sent and expected, everything else is said by the case.

Run `python3 make.py` in a case to make its files anew, `python3 make.py DIR` to make them elsewhere.
"""

import json
import pathlib
import struct
import sys
from fractions import Fraction

from scapy.all import ARP, GRE, ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, Ether, IPv6, Raw, conf, fragment  # noqa: F401 (for the cases)
from scapy.contrib.geneve import GENEVE, GeneveOptions  # noqa: F401
from scapy.layers.inet6 import (  # noqa: F401
    ICMPv6EchoRequest,
    ICMPv6DestUnreach,
    ICMPv6ND_NS,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    in6_chksum,
)
from scapy.layers.vxlan import VXLAN

# The underlay of the cases: this hypervisor, the other one, and the MAC addresses between them.
HERE, THERE = "192.0.2.1", "192.0.2.2"
HERE6, THERE6 = "2001:db8::1", "2001:db8::2"
HERE_MAC, THERE_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"

# The guests: every tenant has the same addresses.
ALICE_MAC, BOB_MAC = "02:00:00:00:0a:01", "02:00:00:00:0a:02"
ALICE, BOB = "10.0.0.1", "10.0.0.2"
ALICE6, BOB6 = "fd00::1", "fd00::2"

# 2024-01-01 00:00:00 UTC, in nanoseconds.
START = 1_704_067_200_000_000_000
MILLISECOND = 1_000_000


def ether(src=ALICE_MAC, dst=BOB_MAC, **more):
    """An Ethernet header from Alice to Bob, unless said otherwise."""
    return Ether(src=src, dst=dst, **more)


def udp_frame(payload=b"hello", sport=4000, dport=5000, **ip):
    """A UDP datagram from Alice to Bob."""
    return ether() / IP(**{"src": ALICE, "dst": BOB, **ip}) / UDP(sport=sport, dport=dport) / Raw(payload)


def encap(inner, vni, conversation=0, src=HERE, dst=THERE, ttl=64, tos=0, dport=4789):
    """What leaves by the uplink. RFC 7348 section 5: UDP without checksum, a source port from the dynamic range that the
    inner conversation chooses; section 4.3: not to be fragmented. `conversation` stands in for the port: see Case.entropy.
    """
    outer = Ether(src=HERE_MAC, dst=THERE_MAC) / IP(src=src, dst=dst, ttl=ttl, tos=tos, id=0, flags="DF")
    return outer / UDP(sport=49152 + conversation, dport=dport, chksum=0) / VXLAN(flags=8, vni=vni) / Raw(bytes(inner))


def encap6(inner, vni, conversation=0):
    """The same over IPv6, where scapy fills in the UDP checksum (RFC 8200 section 8.1)."""
    outer = Ether(src=HERE_MAC, dst=THERE_MAC) / IPv6(src=HERE6, dst=THERE6, hlim=64)
    return outer / UDP(sport=49152 + conversation, dport=4789) / VXLAN(flags=8, vni=vni) / Raw(bytes(inner))


def from_there(inner, vni, src=THERE, dst=HERE, sport=50_000, dport=4789, header=None, **ip):
    """A tunnel packet that comes in by the uplink. `header` replaces the VXLAN header."""
    header = VXLAN(flags=8, vni=vni) if header is None else Raw(header)
    outer = Ether(src=THERE_MAC, dst=HERE_MAC) / IP(src=src, dst=dst, **ip)
    return outer / UDP(sport=sport, dport=dport) / header / Raw(bytes(inner))


def outer(version=4, src=None, dst=None, ttl=64, tos=0, id=0, flags="DF"):
    """Ethernet and IP of a tunnel packet that leaves by the uplink, in either version of IP."""
    link = Ether(src=HERE_MAC, dst=THERE_MAC)
    if version == 4:
        return link / IP(src=src or HERE, dst=dst or THERE, ttl=ttl, tos=tos, id=id, flags=flags)
    return link / IPv6(src=src or HERE6, dst=dst or THERE6, hlim=ttl, tc=tos)


def inbound(version=4, **more):
    """The same of one that comes in by it."""
    here, there = (HERE, THERE) if version == 4 else (HERE6, THERE6)
    packet = outer(version, **{"src": there, "dst": here, "flags": 0, "id": 1, **more})
    packet[Ether].src, packet[Ether].dst = THERE_MAC, HERE_MAC
    return packet


def gre(inner, key=None, seq=None, csum=False, proto=0x6558):
    """GRE with what is given (RFC 2784, RFC 2890); scapy computes the checksum."""
    present = {"key_present": int(key is not None), "seqnum_present": int(seq is not None), "chksum_present": int(csum)}
    return GRE(proto=proto, key=key or 0, seqence_number=seq or 0, **present) / Raw(bytes(inner))


def nvgre(inner, vsid, flow_id=1):
    """RFC 7637 section 3.2: GRE whose key is 24 bits of network and 8 of flow, and nothing else. `flow_id` stands in for the
    latter on the way out: see Case.flow_id."""
    return gre(inner, key=vsid << 8 | flow_id)


def udp_tunnel(header, inner, dport, conversation=0, csum=False):
    """A tunnel header and a frame inside UDP, without checksum unless asked for."""
    udp = UDP(sport=49152 + conversation, dport=dport) if csum else UDP(sport=49152 + conversation, dport=dport, chksum=0)
    return udp / header / Raw(bytes(inner))


def geneve(inner, vni, conversation=0, csum=False, dport=6081, **more):
    """RFC 8926."""
    return udp_tunnel(GENEVE(vni=vni, proto=0x6558, **more), inner, dport, conversation, csum)


def vxlan(inner, vni, conversation=0, csum=False, dport=4789, **more):
    """RFC 7348."""
    return udp_tunnel(VXLAN(**{"flags": 8, "vni": vni, **more}), inner, dport, conversation, csum)


def edited(frame, at, value):
    """The frame with `value` at byte `at`: for headers that no library would write."""
    frame = bytearray(bytes(frame))
    frame[at : at + len(value)] = value
    return bytes(frame)


def ip_checksum(frame, at=14):
    """The frame with a right checksum in the IPv4 header at byte `at`, whatever else is wrong with it (RFC 791)."""
    frame = bytearray(bytes(frame))
    size = (frame[at] & 15) * 4
    frame[at + 10 : at + 12] = b"\0\0"
    frame[at + 10 : at + 12] = (~fold(frame[at : at + size]) & 0xFFFF).to_bytes(2, "big")
    return bytes(frame)


def fold(data):
    """The ones' complement sum of RFC 1071."""
    data = bytes(data) + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def unfilled(frame):
    """The frame as a Linux guest hands it to a device that fills in checksums: the field of TCP or UDP holds the sum of the
    pseudo-header, not complemented (Linux, include/linux/skbuff.h, CHECKSUM_PARTIAL)."""
    raw = bytearray(bytes(frame))
    packet = Ether(bytes(frame))
    transport = packet[TCP] if TCP in packet else packet[UDP]
    protocol, field = (6, 16) if TCP in packet else (17, 6)
    length = len(bytes(transport))
    if IPv6 in packet:
        at, addresses = 14 + 40, raw[14 + 8 : 14 + 40]
        pseudo = bytes(addresses) + struct.pack("!IHBB", length, 0, 0, protocol)
    else:
        at, addresses = 14 + 20, raw[14 + 12 : 14 + 20]
        pseudo = bytes(addresses) + struct.pack("!BBH", 0, protocol, length)
    raw[at + field : at + field + 2] = fold(pseudo).to_bytes(2, "big")
    return bytes(raw)


def frag_needed(frame, mtu):
    """What tells the sender of an IPv4 packet that it is too long: RFC 1191 section 4, quoting what fits into 576 bytes (RFC 1812 section
    4.3.2.3), from the address that it was for, and back by the way that it came."""
    link, packet = turned(frame)
    told = IP(src=packet[IP].dst, dst=packet[IP].src, tos=0xC0, id=0, flags="DF", ttl=64)
    return link / told / ICMP(type=3, code=4, nexthopmtu=mtu) / Raw(bytes(packet)[: 576 - 20 - 8])


def packet_too_big(frame, mtu):
    """The same of IPv6: RFC 4443 section 3.2, quoting what fits into 1280 bytes (section 2.4 (c))."""
    link, packet = turned(frame)
    told = IPv6(src=packet[IPv6].dst, dst=packet[IPv6].src, hlim=64)
    return link / told / ICMPv6PacketTooBig(mtu=mtu) / Raw(bytes(packet)[: 1280 - 40 - 8])


def turned(frame):
    """The link header of the answer to a frame, tags included, and the packet in the frame."""
    frame = Ether(bytes(frame))
    packet = frame[IP] if IP in frame else frame[IPv6]
    link = Ether(bytes(frame)[: len(frame) - len(packet)])
    link.src, link.dst = frame.dst, frame.src
    return link, packet


class Bucket:
    """Tokens that come at a rate and of which at most `size` wait: what a band of a meter lets through (RFC 2697 section 3 for one
    colour). In fractions, so that nothing is rounded."""

    def __init__(self, rate, size):
        self.rate, self.size, self.tokens, self.at = rate, size, Fraction(size), None

    def takes(self, now, amount):
        """Whether there are so many tokens, at this time in nanoseconds; they are gone then."""
        gained = 0 if self.at is None else Fraction(now - self.at, 1_000_000_000) * self.rate
        self.tokens, self.at = min(self.tokens + gained, Fraction(self.size)), now
        if self.tokens < amount:
            return False
        self.tokens -= amount
        return True


class Case:
    """One case: its captures and its counters."""

    def __init__(self, file, ports=()):
        """`file` is the case's make.py. `ports` are those that nothing comes in by, where no config.toml names them."""
        self.home = pathlib.Path(file).resolve().parent
        self.sent = {port: [] for port in ports}
        self.expected = {}
        self.drops = {}
        self.port_drops = {}
        self.uncounted = {}
        self.cache = {}
        self.long = {}
        self.rules = []
        self.now = START

    def send(self, port, frame, later=MILLISECOND):
        """The frame comes in by the port."""
        self.now += later
        self.sent.setdefault(port, []).append((self.now, bytes(frame)))

    def expect(self, port, frame):
        """The frame leaves by the port, at the time at which the last one came in."""
        self.expected.setdefault(port, []).append((self.now, bytes(frame)))

    def dropped(self, port, reason, packets=1):
        """So many frames that came in by the port, or copies of them, die of the reason."""
        self.drops[reason] = self.drops.get(reason, 0) + packets
        self.port_drops[port] = self.port_drops.get(port, 0) + packets

    def without_bytes(self, port, size):
        """So many of the bytes that come in by the port are of frames that no buffer can hold, and are not counted."""
        self.uncounted[port] = size

    def lookups(self, hits, misses):
        """So many frames find their flow in the cache, so many are looked up in the rules."""
        self.cache = {"hits": hits, "misses": misses}

    def too_long(self, **counts):
        """What is done about frames that are too long for a tunnel's way: told=1, limited=, untold=, fragmented=, fragments=,
        clamped=."""
        for what, count in counts.items():
            self.long[what] = self.long.get(what, 0) + count

    def entropy(self, port, at, checksum=None):
        """The outer UDP source port at byte `at` of what leaves by the port is known only as far as RFC 7348 goes: see
        "The one field that is compared by a rule" in README.md."""
        self.rules.append(" ".join(str(word) for word in [port, "entropy", at, checksum or ""]).strip())

    def flow_id(self, port, at):
        """The same of the FlowID of NVGRE (RFC 7637 section 3.2)."""
        self.rules.append(f"{port} flow_id {at}")

    def write(self):
        """Writes the files of the case."""
        home = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else self.home
        for folder, captures in (("in", self.sent), ("out", self.expected)):
            for port, frames in captures.items():
                write_capture(home / folder / f"{port}.pcap", frames)
        counters = json.dumps(self.counters(), indent=2) + "\n"
        (home / "counters.json").write_text(counters)
        if self.rules:
            (home / "ignore").write_text("\n".join(self.rules) + "\n")

    def counters(self):
        """The counters that move, in the shape of counters.json."""
        ports, total = {}, {}
        # The controller is told of frames, and is no port.
        for port in sorted({*self.sent, *self.expected, *self.port_drops} - {"controller"}):
            sent = [frame for _, frame in self.sent.get(port, [])]
            expected = [frame for _, frame in self.expected.get(port, [])]
            counts = {
                "rx_packets": len(sent),
                "rx_bytes": sum(map(len, sent)) - self.uncounted.get(port, 0),
                "tx_packets": len(expected),
                "tx_bytes": sum(map(len, expected)),
                "drops": self.port_drops.get(port, 0),
            }
            for name, count in counts.items():
                total[name] = total.get(name, 0) + count
            ports[port] = moved(counts)
        drops = {reason: {"packets": packets} for reason, packets in sorted(self.drops.items())}
        parts = {"ports": moved(ports), "total": moved(total), "drops": drops, "flow_cache": moved(self.cache)}
        parts["too_long"] = moved(self.long)
        return {name: part for name, part in parts.items() if part}


def moved(counts):
    """Those that are not zero."""
    return {name: count for name, count in counts.items() if count}


def write_capture(path, frames):
    """A capture as draft-ietf-opsawg-pcap describes it: nanoseconds, little-endian, Ethernet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for time, frame in frames:
            seconds, nanoseconds = divmod(time, 1_000_000_000)
            file.write(struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame)
