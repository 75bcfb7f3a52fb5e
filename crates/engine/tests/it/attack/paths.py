# Ways in that nobody opened: other networks, ports that are not published, services of the host.

from concurrent.futures import ThreadPoolExecutor

evil, victim, link = scene["evil"], scene["victim"], scene["link"]
HOST4, HOST6 = "10.0.0.1", "fd00:aa::1"
uplink = scene["mode"] in ("uplink", "macvlan")
apart = scene["mode"] == "macvlan"
attacks, open_ways, kept = [], [], []


def listen(ns, port, address="::"):
    with inside(ns):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kept.append(socket.create_server((address, port), family=family, dualstack_ipv6=address == "::"))


def tcp(ns, address, port):
    def f():
        with inside(ns):
            try:
                socket.create_connection((address, port), scene["patience"]).close()
                return True
            except OSError:
                return False

    return f


def udp(ns, address, port, to, family=socket.AF_INET):
    def f():
        ears, word = Ears(to, port, family), address.encode()
        with inside(ns), socket.socket(family, socket.SOCK_DGRAM) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            one.sendto(word, (address, port))
        return ears.hears(word)

    return f


def frame(ns, dst_mac, src, dst, port, to):
    def f():
        wire, ears, word = Wire(ns), Ears(to, port), b"by hand"
        packet = ip4(src, dst, 17, udp4(999, port, word))
        wire.send(eth(dst_mac, "02:00:00:00:00:99" if ns == "lan" else evil["mac"], 0x0800, packet))
        return ears.hears(word)

    return f


def attack(name, f):
    attacks.append((name, f))


def must(name, f):
    open_ways.append((name, f))


for ns in ["", "victim", "evil"]:
    listen(ns, 80)
    listen(ns, 81)
sh(f"ip -n lan route add 192.168.16.0/24 via {HOST4}; ip -n lan route add fd00:16::/64 via {HOST6}")
if uplink:
    sh(f"ip -n evil route add 192.168.16.0/24 via {HOST4}; ip -n evil route add fd00:16::/64 via {HOST6}")
elif scene["mode"] != "flat":
    sh(f"ip -n lan route add 192.168.15.0/24 via {HOST4}; ip -n lan route add fd00:15::/64 via {HOST6}")
local = sh(f"ip -6 -o addr show dev {link} scope link").split()[3].split("/")[0]
# Nobody speaks from a link-local address, or to one, that the kernel still looks for a double of.
while sh("ip -6 addr show tentative; ip -n evil -6 addr show tentative").strip():
    time.sleep(0.05)

for v, of in [("IPv4", "ip4"), ("IPv6", "ip6")]:
    attack(f"other network by {v}", tcp("evil", victim[of], 81))
    if uplink and not apart:
        # The other network is a routed one, which is open to the LAN.
        must(f"the other network from the LAN by {v}", tcp("lan", victim[of], 81))
    elif not apart:
        attack(f"unpublished port from the LAN by {v}", tcp("lan", victim[of], 81))
        attack(f"back from the other network by {v}", tcp("victim", evil[of], 81))
attack("other network by UDP", udp("evil", victim["ip4"], 5001, "victim"))
up0 = sh("cat /sys/class/net/up0/address").strip()
as_neighbour = frame("lan", up0, "192.168.16.77", victim["ip4"], 5002, "victim")
if not uplink:
    attack("unpublished port from the LAN as a neighbour", as_neighbour)

for n, gateway in enumerate(scene["gateways"]):
    if not uplink:
        attack(f"host by its gateway address {n}", tcp("evil", gateway, 81))
    must(f"ping of gateway {n}", lambda to=gateway: "1 received" in sh(f"ip netns exec evil ping -c1 -W3 {to}"))
attack("host by UDP to its gateway address", udp("evil", scene["gateway4"], 5003, ""))
for address in [HOST4, HOST6] + ([] if uplink else ["192.168.16.1", "fd00:16::1"]):
    attack(f"host by {address}", tcp("evil", address, 81))
attack("host by its link-local address", tcp("evil", f"{local}%eth0", 81))
attack("host by broadcast", udp("evil", "255.255.255.255", 5004, ""))
attack("host by multicast", udp("evil", "ff02::1", 5005, "", socket.AF_INET6))
# As for a published port.
sh(f"sysctl -qw net.ipv4.conf.{link}.route_localnet=1")
loopback = frame("evil", scene["gateway_mac"], evil["ip4"], "127.0.0.1", 5006, "")
attack("host by loopback", loopback)

for ns in ["lan", ""] if apart else ["evil", "lan", ""]:
    must(f"published port from {ns} by IPv4", tcp(ns, HOST4, 8080))
    must(f"published port from {ns} by IPv6", tcp(ns, HOST6, 8080))
must("the LAN from evil by IPv4", tcp("evil", "10.0.0.2", 82))
if not apart:
    must("the host to evil", tcp("", evil["ip4"], 81))
must("the host to the victim", tcp("", victim["ip6"], 81))
must("evil to its neighbour", tcp("evil", scene["red"]["ip6"], 81))
listen("lan", 82)
listen("red", 81)
if scene["mode"] == "bridge":
    attack("unpublished port from the LAN to evil", tcp("lan", evil["ip4"], 81))
else:
    must("the LAN to evil by IPv4", tcp("lan", evil["ip4"], 81))
    must("the LAN to evil by IPv6", tcp("lan", evil["ip6"], 81))

# All at once: what is shut takes all the time that there is.
with ThreadPoolExecutor(len(attacks)) as pool:
    for (name, _), worked in zip(attacks, pool.map(lambda attack: attack[1](), attacks)):
        if worked:
            print(name)
scene["patience"] = 4.0
for name, way in open_ways:
    if not way():
        print(f"SHUT: {name}")
