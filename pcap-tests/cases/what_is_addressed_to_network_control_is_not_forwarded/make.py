"""IEEE 802.1Q section 8.6.3: frames to 01:80:c2:00:00:00 to 0f are for the next bridge and not for those behind it. Addresses
beside them are ordinary ones of groups.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
for last in range(17):
    frame = ether(dst=f"01:80:c2:00:00:{last:02x}", type=0x88CC) / Raw(b"x" * 46)
    case.send("g1", frame)
    if last < 16:
        case.dropped("g1", "reserved_address")
    else:
        case.expect("g2", frame)
case.lookups(hits=0, misses=17)
case.write()
