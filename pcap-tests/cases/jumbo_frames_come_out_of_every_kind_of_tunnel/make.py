"""Packets of 9,000 bytes from the underlay, for two guests, of whom one gets them with a tag. Checksums cover all of a packet: one bit that is
wrong in its last byte is seen.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g1", "g2"])
pattern = bytes(range(251)) * 40
four = udp_frame(pattern[:8800])
six = ether() / IPv6(src=ALICE6, dst=BOB6) / TCP(sport=4000, dport=80, flags="A") / Raw(pattern[:8800])


def arrives(frame):
    case.expect("g1", frame)
    frame = bytes(frame)
    case.expect("g2", frame[:12] + b"\x81\x00\x00\x64" + frame[12:])


for version in (4, 6):
    for frame in (four, six):
        for packet, summed in (
            (vxlan(frame, 5001, csum=True), "outer_udp_checksum"),
            (gre(frame, key=5001, csum=True), "gre_checksum"),
            (nvgre(frame, 5001), None),
            (geneve(frame, 5001, csum=True), "outer_udp_checksum"),
        ):
            packet = bytes(inbound(version) / packet)
            case.send("eth1", packet)
            arrives(frame)
            if summed:
                at = len(packet) - 1
                case.send("eth1", edited(packet, at, [packet[at] ^ 1]))
                case.dropped("eth1", summed)
        # A checksum that the sender left to its device is filled in.
        case.send("eth1", inbound(version) / vxlan(unfilled(frame), 5001, csum=version == 6))
        arrives(frame)
case.lookups(hits=12, misses=8)
case.write()
