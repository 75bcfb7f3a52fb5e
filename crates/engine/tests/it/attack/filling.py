# Filling what all sandboxes and the host share: tables of neighbours and of connections.
evil, link = scene["evil"], scene["link"]
wire = Wire("evil")
attacks = []
for gateway in scene["gateways"]:
    sh(f"ip netns exec evil ping -c1 -W2 {gateway}")


def neighbours():
    return len(sh(f"ip -6 neigh show dev {scene.get('lan_link', 'up0')}").splitlines())


def connections():
    return int(open("/proc/sys/net/netfilter/nf_conntrack_count").read())


def neighbour_exhaustion():
    before = neighbours()
    for n in range(350):
        to, src = "fd00:aa::66:%x" % n, evil["ip6"]
        wire.send(eth(scene["gateway_mac"], evil["mac"], 0x86DD, ip6(src, to, 17, udp6(src, to, 9, 9, b""))))
    return soon(lambda: neighbours() > before + 300)


def connection_exhaustion(to, more):
    def f():
        before = connections()
        for n in range(12000):
            packet = more(to, 1024 + n)
            wire.send(packet)
        return soon(lambda: connections() > before + 10000)

    return f


def from_port(to, port):
    return eth(scene["gateway_mac"], evil["mac"], 0x0800, ip4(evil["ip4"], to, 17, udp4(port, 9, b"")))


def echo(to, ident):
    head = struct.pack("!BBHHH", 8, 0, 0, ident, 1)
    head = head[:2] + struct.pack("!H", total(head)) + head[4:]
    return eth(scene["gateway_mac"], evil["mac"], 0x0800, ip4(evil["ip4"], to, 1, head))


attacks.append(("neighbour exhaustion", neighbour_exhaustion))
attacks.append(("conntrack exhaustion by pings of the gateway", connection_exhaustion(scene["gateway4"], echo)))
attacks.append(("conntrack exhaustion", connection_exhaustion("10.0.0.2", from_port)))
run(attacks)
