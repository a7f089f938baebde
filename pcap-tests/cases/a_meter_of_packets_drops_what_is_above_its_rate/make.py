"""A meter of 100 packets a second with a burst of 3, and packets of any length a millisecond apart: three pass, then every tenth.
After a pause of a second three more pass, not a hundred (OpenFlow 1.3 section 5.7). What comes by another flow is not held
against it.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g3"])
bucket = Bucket(rate=100, size=3)
passed = 0
for number in range(40):
    frame = udp_frame(payload=b"x" * 30 * number)
    case.send("g1", frame)
    if bucket.takes(case.now, 1):
        case.expect("g3", frame)
        passed += 1
    else:
        case.dropped("g1", "meter_drop")
    case.send("g2", frame, later=0)
    case.expect("g3", frame)
assert passed == 3 + 3
for number in range(6):
    case.send("g1", udp_frame(sport=number), later=1_000_000_000 if number == 0 else 0)
    if number < 3:
        case.expect("g3", udp_frame(sport=number))
    else:
        case.dropped("g1", "meter_drop")
case.lookups(hits=84, misses=2)
case.write()
