"""A private Open vSwitch in a namespace of its own: database, daemon, and its control socket kept open.

What it needs is in Debian's openvswitch-switch, and with DPDK in openvswitch-switch-dpdk and librte-net-*.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time

from frames import HERE, NEXT_HOP_MAC, THERE, TUNNEL, UPLINK_MAC
from pairs import Contender
from processes import GENERATOR, MEASURED, at_once, first, inside, run, until, worker

PLAIN = "/usr/lib/openvswitch-switch/ovs-vswitchd"
DPDK = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
# One thread that polls, on the measured core.
POLLING = f"other_config:pmd-cpu-mask={1 << MEASURED:#x}"


class Unixctl:
    """What ovs-appctl(8) speaks (JSON-RPC), without a process for each question."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(path)
        self.number = 0

    def ask(self, method, *parameters):
        """The answer's text."""
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        self.socket.sendall(json.dumps(request).encode())
        text = ""
        while True:
            text += self.socket.recv(1 << 16).decode()
            try:
                answer = json.loads(text)
            except ValueError:
                continue
            if answer["error"]:
                raise RuntimeError(f"{method}: {answer['error']}")
            return answer["result"]


class OpenVSwitch(Contender):
    """The daemon. With `dpdk`, its lcores are as the bench has them and memory comes from `huge`, or from ordinary pages."""

    def __init__(self, scratch, name, dpdk=False, huge=None, memory=1024, settings=(), core=None, namespace=None):
        self.scratch, self.name = scratch, name
        self.namespace = namespace or scratch.namespace(name)
        self.own_namespace = namespace is None
        self.directory = f"{scratch.directory}/{name}"
        os.mkdir(self.directory)
        keys = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR")
        self.environment = {**os.environ, **dict.fromkeys(keys, self.directory)}
        database = f"{self.directory}/conf.db"
        run("ovsdb-tool", "create", database, SCHEMA)
        self.database = f"unix:{self.directory}/db.sock"
        start = {"namespace": self.namespace, "env": self.environment, "log": f"{name}.log"}
        self.server = scratch.start("ovsdb-server", database, f"--remote=p{self.database}", **start, core=GENERATOR)
        until("ovsdb-server", lambda: os.path.exists(f"{self.directory}/db.sock"))
        self.vsctl("--no-wait", "init")
        settings = list(settings)
        if dpdk:
            pages = f"--huge-dir {huge} --single-file-segments" if huge else f"--no-huge -m {memory}"
            extra = f"--no-pci --file-prefix={scratch.prefix}{name} {pages}"
            settings += [f"dpdk-lcore-mask={1 << GENERATOR:#x}", f'dpdk-extra="{extra}"', "dpdk-init=true"]
        if settings:
            self.vsctl("--no-wait", "set", "Open_vSwitch", ".", *(f"other_config:{setting}" for setting in settings))
        control = f"{self.directory}/control"
        command = [DPDK if dpdk else PLAIN, self.database, f"--unixctl={control}", "--disable-system"]
        self.process = scratch.start(*command, **start, core=core)
        super().__init__(self.process.pid)
        until("ovs-vswitchd", lambda: os.path.exists(control), 60, lambda: self.process.poll() is None)
        self.control = Unixctl(control)
        # Only of the main thread, which reads captures and answers; it sleeps most of the time.
        first(self.pid)

    def vsctl(self, *words):
        """ovs-vsctl, waiting until the daemon has done it."""
        return run("ovs-vsctl", "--timeout=60", f"--db={self.database}", *words, env=self.environment)

    def bridge(self, name, *more):
        """A bridge of the userspace datapath that does nothing by itself."""
        self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "fail_mode=secure", *more)

    def port(self, bridge, name, number, *more):
        """A port of a bridge; `more` are columns of its interface. An error if it does not come up."""
        self.vsctl("add-port", bridge, name, "--", "set", "interface", name, f"ofport_request={number}", *more)
        given = self.vsctl("get", "interface", name, "ofport").strip()
        if given != str(number):
            raise RuntimeError(f"{self.name}: port {name} does not come up: " + self.vsctl("get", "interface", name, "error").strip())

    def underlay(self, mtu=1600):
        """The bridge that has our tunnel endpoint, and the address of the other one."""
        self.bridge("underlay", f'other-config:hwaddr="{UPLINK_MAC}"')
        self.vsctl("set", "interface", "underlay", f"mtu_request={mtu}")
        inside(self.namespace, "ip", "address", "add", f"{HERE}/24", "dev", "underlay")
        inside(self.namespace, "ip", "link", "set", "underlay", "up")
        until("a route", lambda: HERE in self.control.ask("ovs/route/show"))
        self.neighbour(THERE)

    def neighbour(self, address, mac=NEXT_HOP_MAC):
        """Where a tunnel endpoint is."""
        self.control.ask("tnl/neigh/set", "underlay", address, mac)

    def tunnel(self, kind, number=TUNNEL, remote=THERE):
        """A tunnel whose key the rules set."""
        kind = "gre" if kind == "nvgre" else kind
        self.port("guests", f"tunnel{number}", number, f"type={kind}", f"options:remote_ip={remote}", "options:key=flow")

    def flows(self, bridge, text):
        """Adds flows."""
        target = f"unix:{self.directory}/{bridge}.mgmt"
        command = (*at_once(), "ovs-ofctl", "add-flows", target, "-")
        subprocess.run(command, input=text, text=True, check=True, env=self.environment, timeout=300)

    def polls(self):
        """Finds the thread that is measured, and puts it before others."""
        until("a polling thread", lambda: worker(self.pid))
        # Long enough for it to be told from others by its work.
        time.sleep(0.3)
        self.thread = worker(self.pid)
        first(self.thread)

    def statistics(self):
        """What the polling thread has counted."""
        text = self.control.ask("dpif-netdev/pmd-stats-show").split("\nmain thread")[0]
        return {name.strip(): int(count) for name, count in re.findall(r"^  ([^:]+): (\d+)", text, re.MULTILINE)}

    def count(self):
        """Packets that came in."""
        return self.statistics()["packets received"]

    def forwarded(self):
        """Packets that came in and were not lost for want of an answer."""
        counted = self.statistics()
        return counted["packets received"] - counted["miss with failed upcall"]

    def sent(self, port):
        """Packets that left by a port, now."""
        shown = self.control.ask("dpctl/show", "-s", "netdev@ovs-netdev")
        return int(re.search(rf"port \d+: {port} .*?TX packets:(\d+)", shown, re.DOTALL)[1])

    def cache(self, setting):
        """Which caches stand before the megaflows: `emc`, `smc` or `none`."""
        chance = "other_config:emc-insert-inv-prob=" + ("100" if setting == "emc" else "0")
        smc = "other_config:smc-enable=" + ("true" if setting == "smc" else "false")
        self.vsctl("set", "Open_vSwitch", ".", chance, smc)

    def close(self):
        """Ends it."""
        self.control.socket.close()
        self.scratch.end(self.process)
        self.scratch.end(self.server)
        if self.own_namespace:
            self.scratch.drop(self.namespace)
        shutil.rmtree(self.directory)
