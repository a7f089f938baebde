"""Three rules that send a frame nowhere, and no rule at all. The only way back is `in_port`.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__, ports=["g2"])
for dport, reason in ((53, "rule_drop"), (67, "output_to_input"), (7, "no_such_port"), (9, "table_miss")):
    case.send("g1", udp_frame(dport=dport))
    case.dropped("g1", reason)

# A port that does not exist among ports that do: the frame goes where it can.
case.send("g1", udp_frame(dport=8))
case.expect("g2", udp_frame(dport=8))
case.dropped("g1", "no_such_port")

case.send("g1", udp_frame(dport=68))
case.expect("g1", udp_frame(dport=68))
case.lookups(hits=0, misses=6)
case.write()
