//! Numbers of nf_tables, under the kernel's names, compared with its headers by a test.

use crate::consts::consts;

consts! {
    "linux/netlink.h";
    NLMSG_MIN_TYPE: u16 = 0x10;

    "linux/netfilter/nfnetlink.h";
    NFNL_SUBSYS_NFTABLES: u16 = 10;
    NFNLGRP_NFTABLES: u32 = 7;

    "linux/netfilter.h";
    NF_DROP: i32 = 0;
    NF_ACCEPT: i32 = 1;
    NF_QUEUE: i32 = 3;

    "linux/netfilter/nf_nat.h";
    NF_NAT_RANGE_MAP_IPS: u32 = 1;
    NF_NAT_RANGE_PROTO_SPECIFIED: u32 = 2;

    "linux/netfilter/nf_tables.h";
    NFT_MSG_NEWTABLE: u16 = 0;
    NFT_MSG_GETTABLE: u16 = 1;
    NFT_MSG_DELTABLE: u16 = 2;
    NFT_MSG_NEWCHAIN: u16 = 3;
    NFT_MSG_GETCHAIN: u16 = 4;
    NFT_MSG_DELCHAIN: u16 = 5;
    NFT_MSG_NEWRULE: u16 = 6;
    NFT_MSG_GETRULE: u16 = 7;
    NFT_MSG_DELRULE: u16 = 8;
    NFT_MSG_NEWSET: u16 = 9;
    NFT_MSG_GETSET: u16 = 10;
    NFT_MSG_DELSET: u16 = 11;
    NFT_MSG_NEWSETELEM: u16 = 12;
    NFT_MSG_GETSETELEM: u16 = 13;
    NFT_MSG_DELSETELEM: u16 = 14;
    NFTA_LIST_ELEM: u16 = 1;

    NFTA_TABLE_NAME: u16 = 1;
    NFTA_TABLE_FLAGS: u16 = 2;
    NFT_TABLE_F_DORMANT: u32 = 1;

    NFTA_CHAIN_TABLE: u16 = 1;
    NFTA_CHAIN_NAME: u16 = 3;
    NFTA_CHAIN_HOOK: u16 = 4;
    NFTA_CHAIN_POLICY: u16 = 5;
    NFTA_CHAIN_TYPE: u16 = 7;
    NFTA_HOOK_HOOKNUM: u16 = 1;
    NFTA_HOOK_PRIORITY: u16 = 2;
    NFTA_HOOK_DEV: u16 = 3;
    NFTA_HOOK_DEVS: u16 = 4;
    NFTA_DEVICE_NAME: u16 = 1;

    NFTA_RULE_TABLE: u16 = 1;
    NFTA_RULE_CHAIN: u16 = 2;
    NFTA_RULE_HANDLE: u16 = 3;
    NFTA_RULE_EXPRESSIONS: u16 = 4;
    NFTA_RULE_POSITION: u16 = 6;
    NFTA_RULE_USERDATA: u16 = 7;

    NFTA_SET_TABLE: u16 = 1;
    NFTA_SET_NAME: u16 = 2;
    NFTA_SET_FLAGS: u16 = 3;
    NFTA_SET_KEY_TYPE: u16 = 4;
    NFTA_SET_KEY_LEN: u16 = 5;
    NFTA_SET_DATA_TYPE: u16 = 6;
    NFTA_SET_DATA_LEN: u16 = 7;
    NFTA_SET_DESC: u16 = 9;
    NFTA_SET_ID: u16 = 10;
    NFTA_SET_TIMEOUT: u16 = 11;
    NFTA_SET_USERDATA: u16 = 13;
    NFTA_SET_DESC_SIZE: u16 = 1;
    NFTA_SET_DESC_CONCAT: u16 = 2;
    NFTA_SET_FIELD_LEN: u16 = 1;
    NFT_SET_ANONYMOUS: u32 = 1;
    NFT_SET_CONSTANT: u32 = 2;
    NFT_SET_INTERVAL: u32 = 4;
    NFT_SET_MAP: u32 = 8;
    NFT_SET_TIMEOUT: u32 = 0x10;
    NFT_SET_EVAL: u32 = 0x20;
    NFT_SET_CONCAT: u32 = 0x80;
    NFT_DATA_VERDICT: u32 = 0xffff_ff00;

    NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
    NFTA_SET_ELEM_LIST_SET: u16 = 2;
    NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
    NFTA_SET_ELEM_KEY: u16 = 1;
    NFTA_SET_ELEM_DATA: u16 = 2;
    NFTA_SET_ELEM_FLAGS: u16 = 3;
    NFTA_SET_ELEM_TIMEOUT: u16 = 4;
    NFTA_SET_ELEM_EXPIRATION: u16 = 5;
    NFTA_SET_ELEM_USERDATA: u16 = 6;
    NFTA_SET_ELEM_KEY_END: u16 = 10;
    NFT_SET_ELEM_INTERVAL_END: u32 = 1;
    NFT_SET_ELEM_CATCHALL: u32 = 2;

    NFTA_DATA_VALUE: u16 = 1;
    NFTA_DATA_VERDICT: u16 = 2;
    NFTA_VERDICT_CODE: u16 = 1;
    NFTA_VERDICT_CHAIN: u16 = 2;
    NFT_CONTINUE: i32 = -1;
    NFT_BREAK: i32 = -2;
    NFT_JUMP: i32 = -3;
    NFT_GOTO: i32 = -4;
    NFT_RETURN: i32 = -5;

    NFTA_EXPR_NAME: u16 = 1;
    NFTA_EXPR_DATA: u16 = 2;
    NFT_REG_VERDICT: u32 = 0;
    NFT_REG_1: u32 = 1;
    NFT_REG_4: u32 = 4;
    NFT_REG32_00: u32 = 8;
    NFT_REG32_15: u32 = 23;
    NFTA_META_DREG: u16 = 1;
    NFTA_META_KEY: u16 = 2;
    NFTA_META_SREG: u16 = 3;
    NFTA_PAYLOAD_DREG: u16 = 1;
    NFTA_PAYLOAD_BASE: u16 = 2;
    NFTA_PAYLOAD_OFFSET: u16 = 3;
    NFTA_PAYLOAD_LEN: u16 = 4;
    NFTA_CT_DREG: u16 = 1;
    NFTA_CT_KEY: u16 = 2;
    NFTA_CT_DIRECTION: u16 = 3;
    NFTA_CT_SREG: u16 = 4;
    NFTA_CMP_SREG: u16 = 1;
    NFTA_CMP_OP: u16 = 2;
    NFTA_CMP_DATA: u16 = 3;
    NFT_CMP_EQ: u32 = 0;
    NFT_CMP_NEQ: u32 = 1;
    NFT_CMP_LT: u32 = 2;
    NFT_CMP_LTE: u32 = 3;
    NFT_CMP_GT: u32 = 4;
    NFT_CMP_GTE: u32 = 5;
    NFTA_RANGE_SREG: u16 = 1;
    NFTA_RANGE_OP: u16 = 2;
    NFTA_RANGE_FROM_DATA: u16 = 3;
    NFTA_RANGE_TO_DATA: u16 = 4;
    NFT_RANGE_NEQ: u32 = 1;
    NFTA_BITWISE_SREG: u16 = 1;
    NFTA_BITWISE_DREG: u16 = 2;
    NFTA_BITWISE_LEN: u16 = 3;
    NFTA_BITWISE_MASK: u16 = 4;
    NFTA_BITWISE_XOR: u16 = 5;
    NFTA_BITWISE_OP: u16 = 6;
    NFTA_BYTEORDER_SREG: u16 = 1;
    NFTA_BYTEORDER_DREG: u16 = 2;
    NFTA_BYTEORDER_OP: u16 = 3;
    NFTA_BYTEORDER_LEN: u16 = 4;
    NFTA_BYTEORDER_SIZE: u16 = 5;
    NFT_BYTEORDER_NTOH: u32 = 0;
    NFT_BYTEORDER_HTON: u32 = 1;
    NFTA_LOOKUP_SET: u16 = 1;
    NFTA_LOOKUP_SREG: u16 = 2;
    NFTA_LOOKUP_DREG: u16 = 3;
    NFTA_LOOKUP_FLAGS: u16 = 5;
    NFT_LOOKUP_F_INV: u32 = 1;
    NFTA_IMMEDIATE_DREG: u16 = 1;
    NFTA_IMMEDIATE_DATA: u16 = 2;
    NFTA_NAT_TYPE: u16 = 1;
    NFTA_NAT_FAMILY: u16 = 2;
    NFTA_NAT_REG_ADDR_MIN: u16 = 3;
    NFTA_NAT_REG_ADDR_MAX: u16 = 4;
    NFTA_NAT_REG_PROTO_MIN: u16 = 5;
    NFTA_NAT_REG_PROTO_MAX: u16 = 6;
    NFTA_NAT_FLAGS: u16 = 7;
    NFT_NAT_SNAT: u32 = 0;
    NFT_NAT_DNAT: u32 = 1;
    NFTA_MASQ_FLAGS: u16 = 1;
    NFTA_MASQ_REG_PROTO_MIN: u16 = 2;
    NFTA_MASQ_REG_PROTO_MAX: u16 = 3;
    NFTA_REDIR_REG_PROTO_MIN: u16 = 1;
    NFTA_REDIR_REG_PROTO_MAX: u16 = 2;
    NFTA_REDIR_FLAGS: u16 = 3;
    NFTA_RT_DREG: u16 = 1;
    NFTA_RT_KEY: u16 = 2;
    NFTA_LIMIT_RATE: u16 = 1;
    NFTA_LIMIT_UNIT: u16 = 2;
    NFTA_LIMIT_BURST: u16 = 3;
    NFTA_LIMIT_TYPE: u16 = 4;
    NFTA_LIMIT_FLAGS: u16 = 5;
    NFTA_CONNLIMIT_COUNT: u16 = 1;
    NFTA_CONNLIMIT_FLAGS: u16 = 2;
    NFTA_DYNSET_SET_NAME: u16 = 1;
    NFTA_DYNSET_OP: u16 = 3;
    NFTA_DYNSET_SREG_KEY: u16 = 4;
    NFTA_DYNSET_EXPR: u16 = 7;
    NFTA_FIB_DREG: u16 = 1;
    NFTA_FIB_RESULT: u16 = 2;
    NFTA_FIB_FLAGS: u16 = 3;
    NFT_FIB_RESULT_OIF: u32 = 1;
    NFT_FIB_RESULT_OIFNAME: u32 = 2;
    NFT_FIB_RESULT_ADDRTYPE: u32 = 3;
    NFTA_COUNTER_BYTES: u16 = 1;
    NFTA_COUNTER_PACKETS: u16 = 2;
    NFTA_REJECT_TYPE: u16 = 1;
    NFTA_REJECT_ICMP_CODE: u16 = 2;

    "linux/netfilter/nf_tables_compat.h";
    NFTA_MATCH_NAME: u16 = 1;
    NFTA_MATCH_REV: u16 = 2;
    NFTA_MATCH_INFO: u16 = 3;
}

/// The edges of a transaction, which nfnetlink.h counts from [`NLMSG_MIN_TYPE`].
pub(crate) const NFNL_MSG_BATCH_BEGIN: u16 = NLMSG_MIN_TYPE;
pub(crate) const NFNL_MSG_BATCH_END: u16 = NLMSG_MIN_TYPE + 1;

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_those_of_the_kernels_headers() {
        crate::uapi::compare(super::UAPI);
    }

    /// One reader serves both.
    #[test]
    fn targets_have_the_attributes_of_matches() {
        use super::{NFTA_MATCH_INFO, NFTA_MATCH_NAME, NFTA_MATCH_REV};
        let target = [
            ("NFTA_TARGET_NAME", NFTA_MATCH_NAME),
            ("NFTA_TARGET_REV", NFTA_MATCH_REV),
            ("NFTA_TARGET_INFO", NFTA_MATCH_INFO),
        ];
        let header = "linux/netfilter/nf_tables_compat.h";
        crate::uapi::compare(&target.map(|(n, v)| (header, n, i128::from(v))));
    }

    #[test]
    fn numbers_of_the_facts_are_those_of_the_kernels_headers() {
        use ropewalk_facts::nft::{Family, MetaKey};
        let meta = [
            ("NFT_META_MARK", MetaKey::MARK),
            ("NFT_META_IIF", MetaKey::IIF),
            ("NFT_META_OIF", MetaKey::OIF),
            ("NFT_META_IIFNAME", MetaKey::IIFNAME),
            ("NFT_META_OIFNAME", MetaKey::OIFNAME),
            ("NFT_META_NFPROTO", MetaKey::NFPROTO),
            ("NFT_META_L4PROTO", MetaKey::L4PROTO),
        ];
        let meta = meta.map(|(n, k)| ("linux/netfilter/nf_tables.h", n, i128::from(k.0)));
        crate::uapi::compare(&meta);
        let families = [
            ("NFPROTO_INET", Family::Inet),
            ("NFPROTO_IPV4", Family::Ip),
            ("NFPROTO_IPV6", Family::Ip6),
            ("NFPROTO_ARP", Family::Arp),
            ("NFPROTO_BRIDGE", Family::Bridge),
            ("NFPROTO_NETDEV", Family::Netdev),
        ];
        let families = families.map(|(n, f)| ("linux/netfilter.h", n, i128::from(f.number())));
        crate::uapi::compare(&families);
    }
}
