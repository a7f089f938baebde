"""Access, trunk and native ports in one VLAN: the tag is put on, taken off or left alone as the port it leaves by asks for; a
frame in a VLAN that its port is not in is dropped (ovs-vswitchd.conf.db(5), Port table, vlan_mode).
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from scapy_case import *  # noqa: E402, F403

case = Case(__file__)
everybody = "ff:ff:ff:ff:ff:ff"


def frame(*tags):
    """A broadcast with these tags."""
    header = ether(dst=everybody, type=0x88B5) if not tags else ether(dst=everybody)
    for at, tag in enumerate(tags):
        header = header / Dot1Q(vlan=tag, **({"type": 0x88B5} if at + 1 == len(tags) else {}))
    return header / Raw(b"x" * 46)


case.send("access", frame())
case.expect("trunk", frame(10))
case.expect("native", frame())
case.send("trunk", frame(10))
case.expect("access", frame())
case.expect("native", frame())
case.send("native", frame())
case.expect("access", frame())
case.expect("trunk", frame(10))
case.send("native", frame(20))
case.expect("trunk", frame(20))
case.send("access", frame(10))
case.dropped("access", "vlan_refused")
case.send("trunk", frame(30))
case.dropped("trunk", "vlan_refused")
case.send("trunk", frame())
case.dropped("trunk", "vlan_refused")
case.lookups(hits=0, misses=7)
case.write()
