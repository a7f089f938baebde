"""A SYN says how long segments may be (RFC 9293 section 3.7.1): where the tunnel is told to, it says what fits afterwards, in both directions,
with a right checksum, wherever the option stands. Nothing else is changed: no smaller size, no segment that is no SYN, no SYN without the
option, and not the copy for another port.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
FITS = 1500 - 20 - 8 - 8 - 14


def syn(mss, flags="S", before=(), after=(("SAckOK", b""),), version=4):
    ip = IP(src=ALICE, dst=BOB, flags="DF") if version == 4 else IPv6(src=ALICE6, dst=BOB6)
    options = [*before, *([("MSS", mss)] if mss else []), *after]
    return ether() / ip / TCP(sport=4000, dport=80, flags=flags, options=options)


def out(frame, lowered=None, conversation=0):
    case.send("g1", frame)
    case.expect("eth1", encap(frame if lowered is None else lowered, 100, conversation))
    case.too_long(clamped=int(lowered is not None))


out(syn(1460), syn(FITS - 40))
out(syn(1460, "SA"), syn(FITS - 40, "SA"))
# At an odd place.
out(syn(1460, before=[("NOP", None)]), syn(FITS - 40, before=[("NOP", None)]))
out(syn(1440, version=6), syn(FITS - 60, version=6), 1)
out(unfilled(syn(1460)), syn(FITS - 40))
out(syn(FITS - 40))
out(syn(536))
out(syn(None))
out(syn(1460, "A"))
frame = syn(1460)
case.send("g2", frame)
case.expect("eth1", encap(syn(1200), 200))
case.expect("g1", frame)
case.too_long(clamped=1)
for frame, lowered in ((syn(1460), syn(FITS - 40)), (syn(1440, "SA", version=6), syn(FITS - 60, "SA", version=6))):
    case.send("eth1", from_there(frame, 100))
    case.expect("g1", lowered)
    case.too_long(clamped=1)
frame = syn(1440, "SA", version=6)
case.send("eth1", from_there(frame, 200))
case.expect("g2", syn(1200, "SA", version=6))
case.too_long(clamped=1)
case.entropy("eth1", 34)
case.lookups(hits=8, misses=5)
case.write()
