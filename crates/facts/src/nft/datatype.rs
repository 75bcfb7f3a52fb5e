//! The types of the fields of keys and values, by the names of nft(8).
//!
//!     inet_proto . inet_service = 12 << 6 | 13, the second field at byte 4
//!
//! The numbers are nft's own (src/datatype.c of nftables 1.0.6): the kernel stores and returns them
//! without knowing what they mean.

/// What nft(8) knows of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataType {
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub id: u32,
    /// Length of a field in bytes; 0 where it differs from set to set.
    pub len: u32,
    /// How nft has its bytes stored.
    pub order: ByteOrder,
}

/// 16 bytes of the packet that nft has no name for, by their place: the target of a neighbour
/// advertisement (RFC 4861 §4.4). To nft they are an `integer` of a length of its own.
pub const RAW: DataType =
    DataType { name: "@th,64,128", id: 4, len: 16, order: ByteOrder::Network };

/// The order of the bytes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// nft does not say: single bytes.
    Unsaid,
    /// That of the host.
    Host,
    /// That of the network.
    Network,
}

impl DataType {
    /// How many bits of a concatenation's number one type takes.
    pub const BITS: u32 = 6;

    /// The type with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TYPES.iter().chain([&RAW]).find(|t| t.name == name)
    }

    /// The type with this number.
    #[must_use]
    pub fn numbered(id: u32) -> Option<&'static Self> {
        TYPES.iter().find(|t| t.id == id)
    }
}

const fn net(name: &'static str, id: u32, len: u32) -> DataType {
    DataType { name, id, len, order: ByteOrder::Network }
}

const fn host(name: &'static str, id: u32, len: u32) -> DataType {
    DataType { name, id, len, order: ByteOrder::Host }
}

const fn byte(name: &'static str, id: u32) -> DataType {
    DataType { name, id, len: 1, order: ByteOrder::Unsaid }
}

const TYPES: &[DataType] = &[
    byte("nf_proto", 2),
    host("bitmask", 3, 0),
    net("integer", 4, 0),
    host("string", 5, 0),
    net("ll_addr", 6, 0),
    net("ipv4_addr", 7, 4),
    net("ipv6_addr", 8, 16),
    net("ether_addr", 9, 6),
    net("ether_type", 10, 2),
    net("arp_op", 11, 2),
    byte("inet_proto", 12),
    net("inet_service", 13, 2),
    net("icmp_type", 14, 1),
    net("tcp_flag", 15, 1),
    byte("dccp_pkttype", 16),
    net("mh_type", 17, 1),
    host("time", 18, 4),
    host("mark", 19, 4),
    host("iface_index", 20, 4),
    host("iface_type", 21, 2),
    host("realm", 22, 4),
    host("classid", 23, 4),
    host("uid", 24, 4),
    host("gid", 25, 4),
    host("ct_state", 26, 4),
    byte("ct_dir", 27),
    host("ct_status", 28, 4),
    net("icmpv6_type", 29, 1),
    host("ct_label", 30, 16),
    host("pkt_type", 31, 1),
    net("icmp_code", 32, 1),
    net("icmpv6_code", 33, 1),
    net("icmpx_code", 34, 1),
    host("devgroup", 35, 4),
    net("dscp", 36, 1),
    net("ecn", 37, 1),
    host("fib_addrtype", 38, 4),
    byte("boolean", 39),
    host("ct_event", 40, 4),
    host("ifname", 41, 16),
    net("igmp_type", 42, 1),
    host("day", 45, 1),
    host("cgroupsv2", 46, 8),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_fit_their_bits() {
        for (i, t) in TYPES.iter().enumerate() {
            assert!(t.id < 1 << DataType::BITS, "{t:?}");
            assert_eq!(TYPES.iter().position(|u| u.id == t.id), Some(i), "{t:?}");
            assert_eq!(DataType::named(t.name), Some(t));
            assert_eq!(DataType::numbered(t.id), Some(t));
        }
        assert_eq!(DataType::named("ifname").map(|t| t.id), Some(41));
        assert_eq!(DataType::named(RAW.name), Some(&RAW));
    }
}
