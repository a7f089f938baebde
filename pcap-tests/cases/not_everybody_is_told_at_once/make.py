"""A guest that goes on sending what is too long is told 50 times at once and 100 times a second then; the others are counted. Another guest is told all
the same.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
FITS = 1500 - 20 - 8 - 8 - 14
bucket = Bucket(rate=100, size=50)
frame = udp_frame(bytes(1472), flags="DF")
other = udp_frame(bytes(1472), flags="DF", sport=4001)
sent = 0
for burst in range(3):
    for number in range(70):
        case.send("g1", frame, later=300 * MILLISECOND if number == 0 else 0)
        sent += 1
        if bucket.takes(case.now, 1):
            case.expect("g1", frag_needed(frame, FITS))
            case.too_long(told=1)
        else:
            case.too_long(limited=1)
case.send("g2", other)
case.expect("g2", frag_needed(other, FITS))
case.too_long(told=1)
case.dropped("g1", "exceeds_mtu", sent)
case.dropped("g2", "exceeds_mtu")
case.lookups(hits=sent - 1, misses=2)
case.write()
