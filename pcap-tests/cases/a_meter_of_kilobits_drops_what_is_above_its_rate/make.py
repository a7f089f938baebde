"""A meter of 1000 kilobits a second with a burst of 24: frames of 1500 bytes are 12 kilobits each, so two pass, and then one in
twelve milliseconds; short frames get through in between. Without a burst of its own, a meter lets a second's worth through at
once, as Open vSwitch does (lib/dpif-netdev.c): 125000 bytes.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g3"])
bucket = Bucket(rate=1_000_000, size=24_000)
passed = {1500: 0, 100: 0}
for number in range(60):
    size = 1500 if number % 7 else 100
    frame = udp_frame(payload=b"x" * (size - 42))
    assert len(frame) == size
    case.send("g1", frame)
    if bucket.takes(case.now, size * 8):
        case.expect("g3", frame)
        passed[size] += 1
    else:
        case.dropped("g1", "meter_drop")
# 24 kilobits at once, one with every millisecond after.
assert passed == {1500: 6, 100: 9} and 6 * 12 + 9 * 0.8 <= 24 + 59

for number in range(84):
    frame = udp_frame(payload=b"x" * 1458)
    case.send("g2", frame, later=0)
    if (number + 1) * 1500 <= 125_000:
        case.expect("g3", frame)
    else:
        case.dropped("g2", "meter_drop")
case.lookups(hits=142, misses=2)
case.write()
