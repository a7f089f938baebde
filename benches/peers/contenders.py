"""Those who tunnel between a guest's veth and an uplink's: adit, Open vSwitch in four ways, Linux, and testpmd, which only carries over.

Each lives in a namespace of its own (`near`) with the devices `guest` and `uplink`, tunnels tenant 0 by VXLAN, and does its work on the
measured core. On the far side of the uplink is `THERE`.
"""

import os
import shutil
import subprocess

import frames
from frames import HERE, NEXT_HOP_MAC, THERE, TUNNEL
from openvswitch import DPDK, PLAIN, POLLING, OpenVSwitch
from pairs import Contender
from processes import GENERATOR, MEASURED, first, inside, until, worker

VNI = frames.vni(0)
# Somebody else's endpoint, for packets that only make work: nobody has it.
ELSEWHERE, ELSEWHERE_MAC = "192.0.2.9", "02:00:00:00:00:09"
SECOND_TUNNEL = 11
# The guest's frames to that station go elsewhere.
BUSY_MAC = "02:00:02:00:ff:ff"
AF_XDP = "librte-net-af-xdp23"


def flows():
    """The rules of all who have any."""
    elsewhere = f"priority=20,in_port=1,dl_dst={BUSY_MAC},actions=set_field:{VNI}->tun_id,output:{SECOND_TUNNEL}"
    there = f"priority=10,in_port=1,actions=set_field:{VNI}->tun_id,output:{TUNNEL}"
    return f"{elsewhere}\n{there}\npriority=10,in_port={TUNNEL},tun_id={VNI},actions=output:1\n"


def addressed(namespace, device):
    """Gives a device our tunnel endpoint, and the ways to the others."""
    inside(namespace, "ip", "address", "add", f"{HERE}/24", "dev", device)
    for address, mac in ((THERE, NEXT_HOP_MAC), (ELSEWHERE, ELSEWHERE_MAC)):
        inside(namespace, "ip", "neighbour", "replace", address, "lladdr", mac, "dev", device, "nud", "permanent")


class Adit(Contender):
    """The daemon, as it is shipped."""

    needs = ()

    def __init__(self, scratch, programs, near, huge):
        addressed(near, "uplink")
        directory = f"{scratch.directory}/{near}"
        os.mkdir(directory)
        with open(f"{directory}/flows", "w", encoding="utf-8") as file:
            file.write(flows())
        with open(f"{directory}/adit.toml", "w", encoding="utf-8") as file:
            file.write(f'[bridge]\nname = "br0"\nflows = "flows"\n[worker]\ncores = [{MEASURED}]\n[[uplink]]\ndevice = "uplink"\n')
            file.write('[[port]]\nname = "guest"\nofport = 1\n')
            file.writelines(
                f'[[tunnel]]\nname = "vx{number}"\nofport = {number}\ntype = "vxlan"\nremote_ip = "{remote}"\nkey = "flow"\n'
                for number, remote in ((TUNNEL, THERE), (SECOND_TUNNEL, ELSEWHERE))
            )
        command = (programs["adit"], "run", "--config", file.name, "--socket", f"{directory}/socket")
        self.scratch = scratch
        self.process = scratch.start(*command, namespace=near, log=f"{near}.log", core=f"{GENERATOR},{MEASURED}")
        super().__init__(self.process.pid)
        said = f"{scratch.directory}/{near}.log"
        ready = lambda: "adit: ready" in text(said)
        until("adit", ready, 20, lambda: self.process.poll() is None)
        self.thread = worker(self.pid)
        first(self.thread)

    def close(self):
        """Ends it."""
        self.scratch.end(self.process)


class Ovs(OpenVSwitch):
    """Open vSwitch's userspace datapath over devices."""

    def __init__(self, scratch, programs, near, huge):
        settings = {} if self.polling is None else {"settings": [POLLING.removeprefix("other_config:")]}
        core = MEASURED if self.polling is None else GENERATOR
        super().__init__(scratch, near, self.dpdk, huge, 512, core=None if self.dpdk else core, namespace=near, **settings)
        self.bridge("guests")
        self.underlay()
        self.neighbour(ELSEWHERE, ELSEWHERE_MAC)
        self.port("guests", *self.device("guest"))
        self.port("underlay", *self.device("uplink"))
        self.tunnel("vxlan")
        self.tunnel("vxlan", SECOND_TUNNEL, ELSEWHERE)
        self.flows("guests", flows())
        self.flows("underlay", "in_port=1,actions=LOCAL\nin_port=LOCAL,actions=output:1\n")
        if self.polling:
            self.polls()


class OvsAfXdp(Ovs):
    """Ports of type afxdp."""

    dpdk, polling, needs = False, True, ((PLAIN, "openvswitch-switch"),)

    def device(self, name):
        """Columns of an interface."""
        return name, 1, "type=afxdp", "options:xdp-mode=native"


class OvsDpdkAfXdp(Ovs):
    """DPDK's driver for AF_XDP."""

    dpdk, polling, needs = True, True, ((DPDK, "openvswitch-switch-dpdk"), ("librte_net_af_xdp.so", AF_XDP))

    def device(self, name):
        """Columns of an interface."""
        return f"dpdk-{name}", 1, "type=dpdk", f"options:dpdk-devargs=net_af_xdp_{name},iface={name}"


class OvsAfPacket(Ovs):
    """AF_PACKET sockets, served by the main thread."""

    dpdk, polling, needs = False, None, ((PLAIN, "openvswitch-switch"),)

    def device(self, name):
        """Columns of an interface."""
        # Packets are redirected into a veth only where something takes them in portions.
        inside(self.namespace, "ethtool", "-K", name, "gro", "on")
        return name, 1


class Linux(Contender):
    """The kernel's bridge and VXLAN device. The thread that takes the packets in runs on the measured core; nobody stops it."""

    needs = ()

    def __init__(self, scratch, programs, near, huge):
        super().__init__(os.getpid())
        addressed(near, "uplink")
        here = lambda *words: inside(near, *words)
        vxlan = ("type", "vxlan", "id", str(VNI), "local", HERE, "remote", THERE, "dstport", "4789", "dev", "uplink", "ttl", "64")
        here("ip", "link", "add", "vx", *vxlan)
        here("ip", "link", "add", "br0", "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
        for hook in ("iptables", "ip6tables", "arptables"):
            # Inherited from the host; costs a fifth.
            name = f"/proc/sys/net/bridge/bridge-nf-call-{hook}"
            if os.path.exists(name):
                here("sysctl", "-qw", f"net.bridge.bridge-nf-call-{hook}=0")
        for device in ("vx", "guest"):
            here("ip", "link", "set", device, "master", "br0", "up")
        here("ip", "link", "set", "br0", "up")
        for tenant_mac, device in ((frames.guest_mac(0), "guest"), (frames.station_mac(0), "vx"), (BUSY_MAC, "vx")):
            here("bridge", "fdb", "replace", tenant_mac, "dev", device, "master", "static")
        here("bridge", "fdb", "replace", BUSY_MAC, "dev", "vx", "dst", ELSEWHERE, "self", "permanent")
        for device in ("guest", "uplink"):
            here("ethtool", "-K", device, "gro", "on")
            receive_on_measured_core(near, device)

    def resume(self):
        """It never stops."""

    def pause(self):
        """It never stops."""

    def displaced(self):
        """Not asked of the kernel."""
        return 0

    def close(self):
        """Goes with its namespace."""


class Testpmd(Contender):
    """DPDK's program that carries packets from port to port and looks at none: the price of the devices."""

    needs = (("/usr/bin/dpdk-testpmd", "dpdk-dev"), ("librte_net_af_xdp.so", AF_XDP))

    def __init__(self, scratch, programs, near, huge):
        pages = ("--huge-dir", huge, "--single-file-segments", "-m", "256") if huge else ("--no-huge", "-m", "512")
        devices = ("--vdev", "net_af_xdp0,iface=guest", "--vdev", "net_af_xdp1,iface=uplink")
        cores = ("-l", f"{GENERATOR},{MEASURED}", "--main-lcore", str(GENERATOR))
        work = ("--forward-mode=io", "--nb-cores=1", "--no-lsc-interrupt", "--auto-start", "-i")
        command = (shutil.which("dpdk-testpmd"), *cores, "--no-pci", f"--file-prefix={near}", *pages, *devices, "--", *work)
        log = f"{near}.log"
        self.scratch = scratch
        self.process = scratch.start(*command, namespace=near, log=log, stdin=subprocess.PIPE)
        super().__init__(self.process.pid)
        said = f"{scratch.directory}/{log}"
        ready = lambda: "testpmd>" in text(said)
        until("testpmd", ready, 30, lambda: self.process.poll() is None)
        self.thread = worker(self.pid)
        first(self.thread)

    def close(self):
        """Ends it."""
        self.process.stdin.close()
        self.scratch.end(self.process)


def receive_on_measured_core(namespace, device):
    """Has a thread of the kernel take in what comes by a device."""
    name = f"napi/{device}-"
    before = kernel_threads(name)
    inside(namespace, "sh", "-c", f"echo 1 >/sys/class/net/{device}/threaded")
    until("threads of the kernel", lambda: kernel_threads(name) - before)
    for thread in kernel_threads(name) - before:
        os.sched_setaffinity(thread, {MEASURED})
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))


def text(name):
    """What a file says."""
    with open(name, encoding="utf-8") as file:
        return file.read()


def kernel_threads(prefix):
    """Threads of the kernel whose names begin so."""
    found = set()
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/comm", encoding="utf-8") as name:
                if name.read().startswith(prefix):
                    found.add(int(process))
        except OSError:
            continue
    return found


def lacking(kind):
    """The packages that a contender needs and that are not there."""
    drivers = {file for path, _, files in os.walk("/usr/lib") if "dpdk" in path for file in files}
    there = lambda file: os.path.exists(file) or any(driver.startswith(file) for driver in drivers)
    return [package for file, package in kind.needs if not there(file)]


ALL = {
    "adit": Adit,
    "testpmd": Testpmd,
    "ovs-afxdp": OvsAfXdp,
    "ovs-dpdk-afxdp": OvsDpdkAfXdp,
    "linux": Linux,
    "ovs-afpacket": OvsAfPacket,
}
