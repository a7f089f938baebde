"""Memory: of the daemon by itself, of each rule, and of each flow that is remembered; what is resident, huge pages included.

By itself: with a guest's veth and an uplink's, after its start. Rules: so many for different conversations, by ovs-ofctl. Flows: packets of so many
conversations, once where one answer holds for all, and once where each has its own; the difference. Of adit, which has its memory from the start,
the difference between room for few and room for many.
"""

import os
import re
import subprocess

import cables
import contenders
import frames
import memory
from openvswitch import DPDK
from processes import HUGE_FEW, hugepages, until

RULES, FLOWS = 50_000, 20_000
PLACES = 1 << 10, 1 << 16
GOAL = 0.25
PEER = "ovs-dpdk-afxdp"


def resident(pid):
    """Bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        sizes = dict(re.findall(r"^(\w+): +(\d+) kB", file.read(), re.MULTILINE))
    return 1024 * sum(int(sizes.get(kind, 0)) for kind in ("Rss", "Shared_Hugetlb", "Private_Hugetlb"))


def rule(number):
    """A conversation's."""
    address = f"10.{number >> 20 & 255}.{number >> 12 & 255}.{number >> 4 & 255}"
    return f"priority=100,tcp,nw_src={address},tp_dst={1024 + number % 16},actions=output:1\n"


def daemons(scratch, programs, huge):
    """Bytes of both by themselves, and of a rule."""
    pair = cables.Cables(scratch, programs, ("adit", PEER), huge)
    try:
        alone, ruled = {}, {}
        text = "".join(map(rule, range(RULES)))
        for name, contender in pair.contenders.items():
            contender.resume()
            alone[name] = resident(contender.pid)
            if name == "adit":
                directory = f"{scratch.directory}/{pair.near[name]}"
                target = f"unix:{directory}/br0.mgmt"
            else:
                target = f"unix:{contender.directory}/guests.mgmt"
            # All in one request: waiting for an answer to each is another matter.
            command = ("ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", target, "-")
            subprocess.run(command, input=text, text=True, check=True, timeout=100)
            ruled[name] = (resident(contender.pid) - alone[name]) / RULES
            contender.pause()
        return alone, ruled
    finally:
        pair.close()


def ours(scratch, programs):
    """Bytes of a flow that adit remembers: it has a place for each from its start, so the difference is that of two workers."""
    captures = frames.captures(scratch.directory, "new", "vxlan", PLACES[1])
    sizes = []
    for places in PLACES:
        rules = frames.rules("new", "vxlan", True)
        worker = memory.Replay(scratch, programs["generic"], "flows", rules, "new", "vxlan", captures, places)
        until("the first sight of all flows", memory.traffic(worker, 3 * PLACES[1]), 60)
        sizes.append(resident(worker.pid))
        worker.close()
    os.remove(captures[0])
    return (sizes[1] - sizes[0]) / (PLACES[1] - PLACES[0])


def theirs(scratch, huge):
    """Bytes of one that Open vSwitch remembers."""
    captures = frames.captures(scratch.directory, "new", "vxlan", FLOWS)
    sizes = []
    for scenario in ("one", "new"):
        ovs = memory.peer(scratch, scenario, "vxlan", captures, huge)
        count = known(ovs, 0.9 * FLOWS if scenario == "new" else 1)
        sizes.append(resident(ovs.pid))
        ovs.close()
    os.remove(captures[0])
    return (sizes[1] - sizes[0]) / count


def known(ovs, wanted):
    """How many flows Open vSwitch remembers, as soon as there are so many."""
    count = lambda: int(re.search(r"flows: (\d+)", ovs.control.ask("dpctl/show", "netdev@ovs-netdev"))[1])
    until("the flows of Open vSwitch", lambda: count() >= wanted, 60)
    return count()


def take(scratch, programs, say):
    """The three. Yields each."""
    lacking = {*memory.missing(), *contenders.lacking(contenders.ALL[PEER])}
    if lacking:
        say(f"skipped: memory, for want of {DPDK} and its drivers (apt-get install {' '.join(sorted(lacking))})")
        return
    huge = hugepages(scratch, HUGE_FEW)
    alone, ruled = daemons(scratch, programs, huge)
    remembered = {"adit": ours(scratch, programs), PEER: theirs(scratch, huge)}
    for what, sizes in (("by itself", alone), (f"a rule of {RULES:,}", ruled), ("a remembered flow", remembered)):
        ratio = round(sizes["adit"] / max(sizes[PEER], 1), 4)
        yield {"what": what, "bytes": {name: round(size) for name, size in sizes.items()}, "ratio": ratio, "goal": GOAL}
