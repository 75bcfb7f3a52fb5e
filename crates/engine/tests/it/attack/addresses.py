# Pretending to be somebody else.
evil, red, blue = scene["evil"], scene["red"], scene["blue"]
ALL = "ff:ff:ff:ff:ff:ff"
bridged = scene["mode"] in ("bridge", "uplink", "macvlan")
via = red["mac"] if bridged else scene["gateway_mac"]
wire = Wire("evil")
attacks = []


def attack(f):
    attacks.append((f.__name__.replace("_", " "), f))
    return f


def on_bridge(f):
    return attack(f) if bridged else f


def on_fdb(f):
    return attack(f) if bridged and evil["leg"] else f


def meet():
    """Everybody knows everybody, and believes what is newer at once."""
    for ns in ["red", "blue", "evil"]:
        sh(f"ip netns exec {ns} sysctl -qw net.ipv4.neigh.eth0.locktime=0")
        for gateway in scene["gateways"]:
            sh(f"ip netns exec {ns} ping -c1 -W2 {gateway}")
    sh(f"sysctl -qw net.ipv4.neigh.{scene['link']}.locktime=0")
    for other in [red, blue]:
        sh(f"ping -c1 -W2 {other['ip4']}; ping -c1 -W2 {other['ip6']}")
    if scene["mode"] == "uplink":
        sh("ip netns exec lan sysctl -qw net.ipv4.neigh.eth0.locktime=0")
        sh(f"ip netns exec lan ping -c1 -W2 {red['ip4']}; ip netns exec red ping -c1 -W2 10.0.0.2")
    sh(f"ip netns exec red ping -c1 -W2 {blue['ip4']}; ip netns exec red ping -c1 -W2 {blue['ip6']}")


@on_bridge
def gratuitous_arp_for_the_victims_address():
    wire.send(eth(ALL, evil["mac"], 0x0806, arp(1, evil["mac"], red["ip4"], ALL, red["ip4"])))
    return soon(lambda: lladdr("blue", red["ip4"]) == evil["mac"])


@on_bridge
def arp_poisoning_of_the_host():
    says = arp(2, evil["mac"], red["ip4"], scene["gateway_mac"], scene["gateway4"])
    wire.send(eth(scene["gateway_mac"], evil["mac"], 0x0806, says))
    return soon(lambda: lladdr("", red["ip4"]) == evil["mac"])


@on_bridge
def arp_poisoning_of_the_victim_for_its_gateway():
    says = arp(2, evil["mac"], scene["gateway4"], red["mac"], red["ip4"])
    wire.send(eth(red["mac"], evil["mac"], 0x0806, says))
    return soon(lambda: lladdr("red", scene["gateway4"]) == evil["mac"])


@on_bridge
def arp_poisoning_in_a_priority_tag():
    says = arp(2, evil["mac"], blue["ip4"], red["mac"], red["ip4"])
    wire.send(tag(eth(red["mac"], evil["mac"], 0x0806, says), 0xE000))
    return soon(lambda: lladdr("red", blue["ip4"]) == evil["mac"])


def arp_of_a_stranger():
    wire.send(eth(ALL, evil["mac"], 0x0806, arp(1, evil["mac"], "192.0.2.66", ALL, scene["gateway4"])))
    return soon(lambda: lladdr("", "192.0.2.66") == evil["mac"])


attack(arp_of_a_stranger)


def source4(address, port):
    def f():
        ears, word = Ears("red", port), address.encode()
        packet = ip4(address, red["ip4"], 17, udp4(999, port, word))
        wire.send(eth(via, evil["mac"], 0x0800, packet))
        return ears.hears(word)

    return f


attacks.append(("IPv4 source of a neighbour", source4(blue["ip4"], 4001)))
attacks.append(("IPv4 source of a free address", source4(scene["free4"], 4002)))
attacks.append(("IPv4 source of an outside address", source4("203.0.113.9", 4003)))


def source6(address, port):
    def f():
        ears, word = Ears("red", port, socket.AF_INET6), address.encode()
        packet = ip6(address, red["ip6"], 17, udp6(address, red["ip6"], 999, port, word), hops=64)
        wire.send(eth(via, evil["mac"], 0x86DD, packet))
        return ears.hears(word)

    return f


attacks.append(("IPv6 source of a neighbour", source6(blue["ip6"], 4001)))
attacks.append(("IPv6 source of a free address", source6(scene["free6"], 4002)))
attacks.append(("IPv6 source of an outside address", source6("2001:db8:bad::9", 4003)))


@attack
def IPv4_source_in_fragments():
    ears, word = Ears("red", 4004), b"in pieces, with another's address"
    whole = udp4(999, 4004, word)
    first, second = whole[:8], whole[8:]
    for piece, frag in [(first, 0x2000), (second, 1)]:
        wire.send(eth(via, evil["mac"], 0x0800, ip4(blue["ip4"], red["ip4"], 17, piece, frag)))
    return ears.hears(word)


@on_fdb
def source_MAC_of_the_victim():
    wire.send(eth(ALL, red["mac"], 0x0800, ip4(evil["ip4"], "255.255.255.255", 17, udp4(9, 9, b""))))
    fdb = lambda: sh(f"bridge fdb get {red['mac']} br {scene['link']} vlan 0; bridge fdb show br {scene['link']} | grep {red['mac']}")
    worked = soon(lambda: evil["leg"] in fdb())
    sh(f"ip netns exec red ping -c1 -W2 {scene['gateway4']}")
    return worked


@on_fdb
def source_MAC_of_the_victim_to_a_group_of_bridges():
    wire.send(eth("01:80:c2:00:00:0e", red["mac"], 0x88CC, b"\2\7\4" + mac(red["mac"]) + b"\0" * 40))
    worked = soon(lambda: evil["leg"] in sh(f"bridge fdb show br {scene['link']} | grep {red['mac']}"))
    sh(f"ip netns exec red ping -c1 -W2 {scene['gateway4']}")
    return worked


def advert(target, to, flags=0x20000000):
    src = evil["ip6"]
    says = struct.pack("!I", flags) + v6(target) + b"\2\1" + mac(evil["mac"])
    return ip6(src, to, 58, icmp6(src, to, 136, says))


@on_bridge
def unsolicited_NA_for_the_victims_address():
    wire.send(eth(scene["gateway_mac"], evil["mac"], 0x86DD, advert(red["ip6"], scene["gateway6"])))
    return soon(lambda: lladdr("", red["ip6"]) == evil["mac"])


@on_bridge
def unsolicited_NA_for_the_gateway():
    wire.send(eth(red["mac"], evil["mac"], 0x86DD, advert(scene["gateway6"], red["ip6"])))
    return soon(lambda: lladdr("red", scene["gateway6"]) == evil["mac"])


def router(src):
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 9000, 9000, 0) + v6("2001:db8:bad::")
    return icmp6(src, "ff02::1", 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0) + prefix)


@on_bridge
def rogue_RA():
    src = evil["local6"]
    wire.send(eth("33:33:00:00:00:01", evil["mac"], 0x86DD, ip6(src, "ff02::1", 58, router(src))))
    return soon(lambda: "2001:db8:bad" in sh("ip -n red -6 addr"))


@on_bridge
def rogue_RA_in_fragments():
    sh("ip -n red -6 addr flush dev eth0 scope global dynamic")
    sh("ip netns exec red sysctl -qw net.ipv6.conf.eth0.suppress_frag_ndisc=0")
    src = evil["local6"]
    whole = router(src)
    for offset, more, piece in [(0, 1, whole[:16]), (16, 0, whole[16:])]:
        piece = struct.pack("!BBHI", 58, 0, offset | more, 77) + piece
        wire.send(eth("33:33:00:00:00:01", evil["mac"], 0x86DD, ip6(src, "ff02::1", 44, piece)))
    return soon(lambda: "2001:db8:bad" in sh("ip -n red -6 addr"))


@on_bridge
def IPv6_that_hides_its_transport_header():
    listen = Wire("red")
    src, dst = evil["ip6"], red["ip6"]
    inner = bytes([17, 1, 1, 12]) + b"\0" * 12 + udp6(src, dst, 547, 546, b"offer")
    for offset, more, piece in [(0, 1, inner[:8]), (8, 0, inner[8:])]:
        piece = struct.pack("!BBHI", 60, 0, offset | more, 78) + piece
        wire.send(eth(via, evil["mac"], 0x86DD, ip6(src, dst, 44, piece, hops=64)))
    return listen.sees(lambda frame: b"offer" in frame)


@attack
def rogue_DHCP_offer():
    ears, word = Ears("red", 68), b"offer"
    wire.send(eth(via, evil["mac"], 0x0800, ip4(evil["ip4"], red["ip4"], 17, udp4(67, 68, word))))
    return ears.hears(word)


@attack
def rogue_DHCP_offer_in_fragments():
    ears, word = Ears("red", 68), b"an offer that comes in pieces"
    whole = udp4(67, 68, word)
    for piece, frag in [(whole[:8], 0x2000), (whole[8:], 1)]:
        wire.send(eth(via, evil["mac"], 0x0800, ip4(evil["ip4"], red["ip4"], 17, piece, frag, 8)))
    return ears.hears(word)


@attack
def rogue_DHCPv6_reply():
    ears, word = Ears("red", 546, socket.AF_INET6), b"reply"
    src, dst = evil["ip6"], red["ip6"]
    packet = ip6(src, dst, 17, udp6(src, dst, 547, 546, word), hops=64)
    wire.send(eth(via, evil["mac"], 0x86DD, packet))
    return ears.hears(word)


def arrives(kind, rest=b"", to=None, tags=()):
    def f():
        listen, word = Wire("red"), b"mark%04x%d" % (kind, len(tags))
        frame = eth(to or red["mac"], evil["mac"], kind, rest + word + b"\0" * 46)
        for one in tags:
            frame = tag(frame, one)
        wire.send(frame)
        return listen.sees(lambda frame: word in frame)

    return f


if bridged:
    plain = ip4(evil["ip4"], red["ip4"], 17, udp4(9, 9, b""))
    attacks.append(("VLAN tag", arrives(0x0800, plain, tags=[5])))
    attacks.append(("double VLAN tags", arrives(0x0800, plain, tags=[5, 6])))
    attacks.append(("priority tag", arrives(0x0800, plain, tags=[0])))
    attacks.append(("LLDP", arrives(0x88CC)))
    attacks.append(("EAPOL", arrives(0x888E)))
    attacks.append(("PAUSE", arrives(0x8808)))
    bpdu = b"\x42\x42\x03" + bytes(4) + bytes(8) + bytes(4) + bytes(8) + b"\x80\1" + b"\0\0\x14\0\2\0\x0f\0"
    attacks.append(("STP", arrives(38 + 8, bpdu, to="01:80:c2:00:00:00")))


@on_fdb
def FDB_flood():
    before = len(sh(f"bridge fdb show br {scene['link']}").splitlines())
    rest = ip4(evil["ip4"], red["ip4"], 17, udp4(9, 9, b""))
    for n in range(500):
        wire.send(eth(red["mac"], "06:00:00:00:%02x:%02x" % divmod(n, 256), 0x0800, rest))
    after = lambda: len(sh(f"bridge fdb show br {scene['link']}").splitlines())
    return soon(lambda: after() > before + 300)


if scene["mode"] == "uplink":
    # The gateway is the host to those above; here it is the LAN's router.
    router4 = "10.0.0.2"

    @attack
    def ARP_poisoning_of_the_LAN():
        says = arp(2, evil["mac"], red["ip4"], scene["lan_mac"], router4)
        wire.send(eth(scene["lan_mac"], evil["mac"], 0x0806, says))
        return soon(lambda: lladdr("lan", red["ip4"]) == evil["mac"])

    @attack
    def ARP_poisoning_of_the_victim_for_the_router_of_the_LAN():
        says = arp(2, evil["mac"], router4, red["mac"], red["ip4"])
        wire.send(eth(red["mac"], evil["mac"], 0x0806, says))
        return soon(lambda: lladdr("red", router4) == evil["mac"])

    attacks.append(("IPv4 source of the router of the LAN", source4(router4, 4005)))


@on_fdb
def STP_root_takeover():
    # Bridges of ours do not speak it; one that does hears it before any filter.
    if scene["lifted"]:
        sh(f"ip link set {scene['link']} type bridge stp_state 1")
        time.sleep(1.5)
    root = b"\0\0" + mac(evil["mac"])
    says = b"\x42\x42\x03" + bytes(5) + root + bytes(4) + root + b"\x80\1" + struct.pack("!4H", 0, 5120, 512, 512)
    wire.send(eth("01:80:c2:00:00:00", evil["mac"], len(says), says + bytes(8)))
    port = lambda: sh(f"ip -d link show {scene['link']} | grep -o 'root_port [0-9]*'").split()
    return soon(lambda: port()[-1:] not in ([], ["0"]))


if "only" in scene:
    attacks = [(name, attack) for name, attack in attacks if name in scene["only"]]
meet()
run(attacks)
