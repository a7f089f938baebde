//! The second opinion on the flow syntax: `ovs-ofctl parse-flow`, speaking OpenFlow 1.5, reads the same flows.
//!
//! Its verdict and its text are ours, but for a list of flows that we refuse on purpose. It counts as a refusal when
//! ovs-ofctl reports that it dropped a condition, or cannot read back what it wrote.

mod on_wire;

use control::text::{NoNames, format_flow, format_group, parse_groups, parse_table_flow};
use datapath::tunnel::OptionMap;
use std::process::Command;

/// Flows that both accept, and write the same way.
const ACCEPTED: &[&str] = &[
    "actions=learn",
    "actions=learn(load:5->NXM_OF_IN_PORT[],result_dst=NXM_OF_IN_PORT[0])",
    "actions=learn()",
    "actions=learn(table=1,hard_timeout=60,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),resubmit(,1)",
    "actions=learn(table=2,idle_timeout=10,hard_timeout=20,fin_idle_timeout=2,fin_hard_timeout=3,priority=7,cookie=0x1234,\
     delete_learned,send_flow_rem,limit=10,result_dst=NXM_NX_REG0[3],in_port=99,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],\
     load:NXM_OF_IN_PORT[]->NXM_NX_REG1[16..31])",
    "tcp actions=learn(table=1, hard_timeout=60, eth_type=0x800, nw_proto=6, NXM_OF_IP_SRC[]=NXM_OF_IP_DST[], \
     NXM_OF_IP_DST[]=NXM_OF_IP_SRC[], NXM_OF_TCP_SRC[]=NXM_OF_TCP_DST[], NXM_OF_TCP_DST[]=NXM_OF_TCP_SRC[]), flood",
    "tcp6 actions=learn(table=1, hard_timeout=60, eth_type=0x86dd, nw_proto=6, NXM_NX_IPV6_SRC[]=NXM_NX_IPV6_DST[], \
     ipv6_dst=2001:0db8:85a3:0000:0000:8a2e:0370:7334, NXM_OF_TCP_SRC[]=NXM_OF_TCP_DST[], NXM_OF_TCP_DST[]=NXM_OF_TCP_SRC[], \
     load(0x20010db885a308d313198a2e03707348->NXM_NX_IPV6_DST[])), flood",
    "actions=learn(table=0,priority=65535,NXM_OF_ETH_SRC[],NXM_OF_VLAN_TCI[0..11],output:NXM_NX_REG0[0..15]),output:2",
    "actions=learn(limit=4294967295,NXM_OF_ETH_SRC[])",
    "actions=learn(cookie=0xffffffffffffffff,dl_src=1:2:3:4:5:6)",
    "arp,actions=learn(eth_type=0x806,arp_op=1,NXM_OF_ARP_SPA[]=NXM_OF_ARP_TPA[],NXM_NX_ARP_SHA[],dl_dst=00:11:22:33:44:55)",
    "arp,actions=learn(eth_type=0x806,NXM_OF_ARP_OP[])",
    "actions=learn(NXM_OF_VLAN_TCI[0..11]=5,load:0->reg3[],load:NXM_NX_TUN_ID[]->NXM_NX_TUN_ID[])",
    "actions=learn(vlan_tci=0x1005,NXM_OF_ETH_SRC[])",
    "actions=learn(NXM_OF_VLAN_TCI[0..11]=0)",
    "actions=learn(vlan_tci=0x1000,load:5->OXM_OF_VLAN_VID[])",
    "icmp,actions=learn(eth_type=0x800,nw_proto=1,icmp_type=8,NXM_OF_ICMP_CODE[],output:OXM_OF_IN_PORT[])",
    "udp,actions=learn(eth_type=0x800,nw_proto=17,udp_dst=53,NXM_OF_UDP_SRC[4..7],nw_src=10.0.0.1,load:NXM_OF_UDP_SRC[]->NXM_OF_UDP_DST[])",
    "actions=learn(in_port=LOCAL,output:reg5[])",
    "actions=learn(reg0=5,xreg1=0x500000006,metadata=7,tun_id=9)",
    "actions=learn(reg0[4..7]=5,reg1[]=reg2[],NXM_NX_REG4[31]=reg4[0])",
    "actions=clone(learn(table=3,NXM_OF_ETH_SRC[])),1",
    "tcp,actions=fin_timeout(idle_timeout=10,hard_timeout=20),1",
    "tcp6,actions=fin_timeout(hard_timeout=20)",
    "tcp,actions=fin_timeout()",
    "tcp,actions=fin_timeout",
    "actions=set_queue:5,output:2,pop_queue,3",
    "actions=enqueue:2:5",
    "actions=enqueue(2,5),1",
    "actions=enqueue:in_port:3",
    "actions=write_actions(set_queue:3,output:1)",
    "actions=clone(set_queue:0xffffffff,1)",
    "ip,actions=meter:1,output:2",
    "table=3,actions=meter:65536,set_field:5->reg0,clear_actions,write_actions(output:2),goto_table:4",
    "actions=meter:1",
    "actions=1",
    "actions=",
    "actions=drop",
    "actions=drop,drop",
    "actions=output:1,2 in_port,output:IN_PORT",
    "actions=output(1)",
    "action=1,,2,",
    "  priority=5, ip  ,  tcp , actions = 1",
    "priority=0,actions=1",
    "priority=0x10,actions=1",
    "priority:5,actions=1",
    "priority=32768,actions=1",
    "cookie=0x123,priority=7,arp,actions=1",
    "table=0,duration=5s,n_packets=1,n_bytes=2,idle_age=3,hard_age=4,cookie=0x1,ip actions=1",
    "in_port=1,actions=in_port",
    "in_port=*,actions=1",
    "ip,actions=1",
    "ipv6,actions=1",
    "arp,actions=1",
    "rarp,actions=1",
    "icmp,actions=1",
    "ip,nw_proto=2,ip_proto=2,actions=1",
    "icmp6,actions=1",
    "tcp,actions=1",
    "udp,actions=1",
    "sctp,actions=1",
    "tcp6,actions=1",
    "udp6,actions=1",
    "sctp6,actions=1",
    "mpls,actions=1",
    "mplsm,actions=1",
    "ip4,actions=1",
    "ip6,actions=1",
    "dl_type=0x800,nw_proto=6,actions=1",
    "eth_type=2054,actions=1",
    "dl_type=0x88cc,actions=1",
    "ip,nw_proto=58,actions=1",
    "ipv6,nw_proto=1,actions=1",
    "nw_dst=10.0.0.1,ip,actions=1",
    "ip,nw_src=10.1.2.3/8,actions=1",
    "ip,ip_src=10.1.2.3/255.0.255.0,ip_dst=10.0.0.1/32,actions=1",
    "ip,nw_src=10.0.0.1/0,actions=1",
    "ip,nw_src=*,actions=1",
    "arp,nw_src=10.0.0.1,nw_proto=1,actions=1",
    "arp,arp_op=2,arp_spa=10.0.0.1/24,arp_tpa=10.0.0.2,arp_sha=00:00:00:00:00:01,arp_tha=00:00:00:00:00:02/00:00:00:00:00:ff,actions=1",
    "ipv6,ipv6_src=fe80::1/64,ipv6_dst=2001:db8::1,ipv6_label=0x12345,actions=1",
    "ipv6,ipv6_src=fe80::1/ffff::1,ipv6_label=5/15,actions=1",
    "dl_src=1:2:3:4:5:6,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=1",
    "eth_src=AA:bb:cc:DD:EE:FF/ff:ff:ff:00:00:00,actions=1",
    "dl_vlan=5,actions=1",
    "dl_vlan=0,actions=1",
    "dl_vlan=0xffff,actions=1",
    "dl_vlan_pcp=3,actions=1",
    "dl_vlan=5,dl_vlan_pcp=3,actions=1",
    "vlan_pcp=3,vlan_vid=0x1005,actions=1",
    "vlan_vid=0x1000/0x1000,actions=1",
    "vlan_vid=0,actions=1",
    "vlan_tci=0,actions=1",
    "vlan_tci=0/0x1000,actions=1",
    "vlan_tci=0x1000/0x1000,actions=1",
    "vlan_tci=0x1005/0x1007,actions=1",
    "vlan_tci=0xf005,actions=1",
    "vlan_tci=0x1005/0x1fff,actions=1",
    "vlan_tci=0x3000/0xf000,actions=1",
    "ip,nw_tos=8,nw_ecn=1,nw_ttl=64,actions=1",
    "ipv6,ip_dscp=3,ip_ecn=2,actions=1",
    "ip,ip_frag=no,actions=1",
    "ip,nw_frag=yes,actions=1",
    "ip,ip_frag=first,actions=1",
    "ip,ip_frag=later,actions=1",
    "ipv6,ip_frag=not_later,actions=1",
    "tcp,tp_src=1,tp_dst=0x1234/0xff00,actions=1",
    "tcp6,tcp_src=1,tcp_dst=2,actions=1",
    "udp,udp_src=1/7,udp_dst=2,actions=1",
    "sctp,sctp_src=1,sctp_dst=2,actions=1",
    "udp6,ip_frag=first,tp_dst=53,actions=1",
    "tcp,tcp_flags=+syn-ack,actions=1",
    "tcp,tcp_flags=syn|ack,actions=1",
    "tcp,tcp_flags=0x812/0xfff,actions=1",
    "tcp,tcp_flags=0,actions=1",
    "tcp,tcp_flags=2/0x12,actions=1",
    "tcp6,tcp_flags=+[200]+fin-rst+psh+urg+ece+cwr+ns,actions=1",
    "icmp,icmp_type=8,icmp_code=0,actions=1",
    "icmp6,icmpv6_type=128,icmpv6_code=0,actions=1",
    "icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=00:00:00:00:00:01,actions=1",
    "icmp6,icmp_type=136,nd_target=fe80::/10,nd_tll=00:00:00:00:00:01,actions=1",
    "icmp6,icmp_type=135,icmp_code=0,nd_reserved=5,nd_options_type=1,actions=1",
    "tun_id=5,actions=1",
    "tunnel_id=0xffffffffffffffff/0xff,actions=1",
    "tun_id=1/0xfffffff0,actions=1",
    "tun_src=10.0.0.1/24,tun_dst=10.0.0.2,actions=1",
    "tun_ipv6_src=::1,tun_ipv6_dst=fe80::/10,actions=1",
    "tun_flags=oam,actions=drop",
    "tun_flags=+oam,actions=drop",
    "tun_flags=-oam,actions=drop",
    "tun_flags=0,actions=drop",
    "tun_flags=1,actions=drop",
    "tun_gbp_id=5,tun_gbp_flags=0x40,actions=1",
    "tun_gbp_id=5/0xff,tun_gbp_flags=0xff,actions=1",
    "actions=set_field:oam->tun_flags,set_field:5->tun_gbp_id,set_field:0x48->tun_gbp_flags,1",
    "actions=set_field:0->tun_flags,set_field:5/7->tun_gbp_id,1",
    "actions=load:1->NXM_NX_TUN_FLAGS[0],load:8->NXM_NX_TUN_GBP_FLAGS[],1",
    "actions=load:5->NXM_NX_TUN_GBP_ID[],move:NXM_NX_TUN_GBP_ID[]->NXM_NX_REG0[0..15]",
    "priority=5,tcp,in_port=1,dl_vlan=5,dl_vlan_pcp=3,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02,tun_id=5,\
     tun_src=1.1.1.1,tun_dst=2.2.2.2,nw_src=1.2.3.4,nw_dst=2.3.4.5,nw_tos=4,nw_ecn=2,nw_ttl=6,ip_frag=no,tcp_src=1,\
     tcp_dst=2,tcp_flags=+syn,actions=1",
    "icmp6,dl_src=00:00:00:00:00:01,icmp_type=135,icmp_code=0,ipv6_src=::1,ipv6_dst=::2,ipv6_label=3,nw_tos=4,nw_ecn=2,\
     nw_ttl=6,nd_target=::3,nd_sll=00:00:00:00:00:03,actions=1",
    "actions=mod_dl_src:00:00:00:00:00:01,mod_dl_dst:2:2:2:2:2:2,1",
    "actions=set_field:00:00:00:00:00:01->eth_src,1",
    "actions=set_field:00:00:00:00:00:05/00:00:00:00:00:ff->eth_dst,1",
    "actions=set_field(5->tun_id)",
    "actions=set_field:7/0xff->tun_id,1",
    "actions=set_tunnel:7,1",
    "actions=set_tunnel64:0x123456789abcdef0,1",
    "actions=set_field:0->tun_id,1",
    "actions=set_field:10.0.0.1->tun_dst,set_field:fe80::1->tun_ipv6_dst,1",
    "ip,actions=mod_nw_src:10.0.0.1,mod_nw_dst:10.0.0.2,1",
    "ip,actions=set_field:10.0.0.0/24->nw_dst,set_field:1.0.0.0/255.0.0.255->ip_src,1",
    "ip,actions=mod_nw_tos:4,mod_nw_ecn:2,mod_nw_ttl:5,1",
    "ip,actions=set_field:4->nw_tos,set_field:3->ip_dscp,set_field:1->ip_ecn,set_field:6->nw_ttl,1",
    "tcp,actions=mod_tp_src:1,mod_tp_dst:80,1",
    "udp6,actions=mod_tp_src:1,mod_tp_dst:80,1",
    "tcp,actions=set_field:80->tcp_dst,set_field:5/7->tcp_src,1",
    "udp,actions=set_field:80->udp_dst,1",
    "icmp,actions=set_field:3->icmp_type,set_field:4->icmp_code,1",
    "icmp6,actions=set_field:3->icmpv6_type,set_field:4->icmpv6_code,1",
    "ipv6,actions=set_field:fe80::1->ipv6_src,set_field:fe80::/64->ipv6_dst,set_field:3/15->ipv6_label,1",
    "ipv6,actions=set_field:0x12345->ipv6_label,1",
    "arp,actions=set_field:10.0.0.1->arp_spa,set_field:10.0.0.2->arp_tpa,1",
    "arp,actions=set_field:00:00:00:00:00:01->arp_sha,set_field:00:00:00:00:00:02->arp_tha,1",
    "dl_vlan=5,actions=strip_vlan,1",
    "vlan_tci=0x1000/0x1000,actions=pop_vlan,1",
    "actions=push_vlan:0x8100,1",
    "actions=push_vlan:0x88a8,set_field:4101->vlan_vid,set_field:3->vlan_pcp,pop_vlan,1",
    "dl_vlan=5,actions=mod_vlan_vid:7,mod_vlan_pcp:3,1",
    "dl_vlan=0xffff,actions=mod_vlan_vid:7,1",
    "dl_vlan=5,actions=set_field:0x1005/0x1007->vlan_vid,1",
    "actions=move:NXM_OF_IN_PORT[]->NXM_OF_VLAN_TCI[],1",
    "actions=move:reg0[0..15]->vlan_tci[],move:reg1[0..3]->vlan_tci[12..15],1",
    "actions=set_field:0x1003->vlan_tci,1",
    "actions=set_field:0x1003/0x1fff->vlan_tci,1",
    "dl_vlan=5,actions=set_field:7/0xfff->vlan_tci,load:8->NXM_OF_VLAN_TCI[0..11],1",
    "table=3,reg0=5,actions=1",
    "table=253,cookie=0x1,priority=5,actions=1",
    "reg0=5/0xff,metadata=0x5/0xf,actions=1",
    "metadata=7,reg15=0,actions=1",
    "xreg1=7/0xff,xxreg3=9,reg1=3,actions=1",
    "xxreg1=0x123456789abcdef0123456789abcdef0/0xff00000000000000000000000000000f,actions=1",
    "table=1,priority=5,cookie=0x1,in_port=1,tun_id=1,reg0=1,reg3=3,metadata=5,xreg2=7,dl_vlan=3,actions=1",
    "actions=output(port=2,max_len=100),output(max_len=14,port=in_port),output(port=LOCAL,max_len=4294967295)",
    "actions=clone(output(port=1,max_len=0x40)),1",
    "actions=output:reg0[]",
    "actions=output:reg0",
    "actions=output:NXM_NX_REG0[0..15]",
    "actions=output(reg1[3]),output:OXM_OF_PKT_REG7[0..15],output:xxreg0[16..31]",
    "actions=output:metadata[],output:in_port[],output:in_port_oxm[],output:tun_id[0..15]",
    "tcp,actions=output:tcp_src[]",
    "actions=all,ALL,flood,FLOOD,output:ALL,output:flood",
    "actions=normal,NORMAL,output:normal",
    "actions=controller,CONTROLLER,Controller,output:CONTROLLER,output:controller,controller()",
    "actions=CONTROLLER:128,controller:0,controller:65535,controller(max_len=20),controller(id=0)",
    "actions=controller(max_len=20,id=3),controller(reason=no_match),controller(reason=action)",
    "actions=controller(reason=invalid_ttl,max_len=0,id=5,userdata=01.02.0a),controller(userdata=0102),1",
    "actions=controller(reason=group),controller(reason=action_set),controller(reason=packet_out)",
    "actions=controller(userdata=),clone(controller:5),write_actions(controller:5)",
    "ip,actions=dec_ttl(1,2),dec_ttl(0),dec_ttl(1 2),write_actions(dec_ttl(7))",
    "in_port=LOCAL,actions=1,LOCAL,output:LOCAL,local,resubmit(LOCAL,1),65534",
    "actions=group:5,group:0,group:0xffffff00",
    "actions=set_field:5->reg0,set_field:5/7->reg1,set_field:0->metadata,set_field:5->xreg0,set_field:5->xxreg0",
    "actions=load:5->reg0,load:5->NXM_NX_REG0[],load:5->NXM_NX_REG0[4..7],load:1->reg0[4],load:0xf->reg0[0..3]",
    "actions=load:0x10->OXM_OF_METADATA[],load:5->NXM_NX_XXREG0[0..63],load:0x123456789abcdef01->xxreg0[]",
    "actions=load:5->OXM_OF_PKT_REG0[],load:5->NXM_OF_ETH_DST[],load:1->OXM_OF_ETH_DST[40],load:5->NXM_NX_TUN_ID[]",
    "ip,actions=load:5->NXM_OF_IP_DST[],load:0xff->OXM_OF_IPV4_SRC[8..15]",
    "tcp,actions=load:5->NXM_OF_TCP_DST[],load:5->tcp_src[0..7],1",
    "icmp,actions=load:1->icmp_type[],load:2->NXM_OF_ICMP_CODE[],1",
    "arp,actions=load:0x0a000001->NXM_OF_ARP_SPA[],set_field:2->arp_op,1",
    "ipv6,actions=load:5->NXM_NX_IPV6_LABEL[0..15],load:5->NXM_NX_IPV6_DST[0..63],1",
    "actions=move:reg0[]->reg1[],move:NXM_NX_REG0[0..15]->NXM_NX_REG1[16..31],move:reg2[31]->reg3[0]",
    "actions=move:NXM_OF_ETH_SRC->NXM_OF_ETH_DST,move:eth_type[]->reg0[0..15],move:in_port[]->reg0[0..15]",
    "actions=move:in_port_oxm[]->reg0[],move:tun_id[]->metadata[],move:tun_src[]->tun_dst[],move:vlan_tci[]->reg0[0..15]",
    "ip,actions=move:NXM_OF_IP_SRC[]->reg0[],move:reg0[]->OXM_OF_IPV4_DST[],move:ip_dscp[]->reg1[0..5],move:nw_proto[]->reg2[0..7]",
    "arp,actions=move:arp_spa[]->arp_tpa[],move:arp_sha[]->arp_tha[],1",
    "tcp6,actions=move:tcp_flags[]->reg0[0..11],move:ipv6_src[]->xxreg0[],move:tcp_src[]->tcp_dst[],1",
    "dl_vlan=5,actions=move:vlan_vid[]->reg0[0..11],move:reg0[0..11]->vlan_vid[],move:vlan_pcp[]->reg1[0..2],1",
    "icmp6,icmp_type=135,icmp_code=0,actions=move:nd_target[]->xxreg0[],move:nd_sll[]->xxreg1[0..47],1",
    "ip,actions=dec_ttl,1",
    "ipv6,actions=dec_ttl(),dec_ttl,1",
    "actions=resubmit:3,resubmit(3,4),resubmit(,4),resubmit(3,),resubmit(3),resubmit(in_port,4)",
    "table=2,actions=resubmit(,2)",
    "actions=clone(1,2),3",
    "actions=clone(set_field:5->reg0,output:reg0[]),clone(),clone(drop),clone(clone(1),2)",
    "actions=goto_table:1",
    "table=7,actions=1,goto_table:253",
    "actions=write_actions(1)",
    "actions=write_actions(set_field:5->reg0,group:1,output:1)",
    "actions=write_actions(move:reg0[]->reg1[],load:5->reg0,ALL)",
    "ip,actions=write_actions(push_vlan:0x8100,pop_vlan,dec_ttl,in_port)",
    "actions=write_actions(),write_metadata:0",
    "actions=write_actions(drop)",
    "actions=clear_actions",
    "actions=1,clear_actions,write_actions(2),write_metadata:5,goto_table:2",
    "actions=write_metadata:5/7",
    "ip,actions=mod_nw_ttl:5,clone(mod_nw_ttl:3,1)",
    "actions=push_vlan:0x8100,set_field:4101->vlan_vid,goto_table:1",
    "ip,actions=conjunction(1,1/2)",
    "ip,ip_src=10.0.0.1,actions=conjunction(0x5, 1/2),conjunction(0,3/64),conjunction(4294967295,2/3)",
    "actions=conjunction(1,1/2),note:00.01,conjunction(2,1/2)",
    "conj_id=5,actions=conjunction(1,1/2)",
    "conj_id=0,actions=1",
    "conj_id=*,actions=1",
    "priority=5,conj_id=4294967295,ip,reg0=1,tun_id=1,metadata=3,in_port=2,actions=move:conj_id[]->reg0[],output:conj_id[0..15]",
    "sctp,actions=set_field:80->sctp_dst,set_field:5/7->sctp_src,load:5->OXM_OF_SCTP_DST[],1",
    "sctp6,actions=mod_tp_src:1,mod_tp_dst:80,1",
    "icmp6,icmp_type=135,icmp_code=0,actions=set_field:fe80::3->nd_target,set_field:aa:aa:aa:aa:aa:aa->nd_sll,1",
    "icmp6,icmp_type=136,actions=set_field:fe80::/64->nd_target,load:5->NXM_NX_ND_TLL[0..15],move:reg0[]->nd_target[0..31],1",
    "icmp6,icmp_type=135,icmp_code=0,actions=set_field:136->icmpv6_type,set_field:0x60000000->nd_reserved,set_field:2->nd_options_type,1",
    "actions=push:reg0[],pop:reg1[0..15],push:NXM_OF_IN_PORT[],push:eth_src[],exit,1",
    "ip,actions=push:ip_src[],push:ip_dst[],pop:ip_src[],pop:ip_dst[],clone(exit),1",
    "pkt_mark=5/7,conj_id=1,actions=set_field:3->pkt_mark,set_field:1/3->pkt_mark,load:5->NXM_NX_PKT_MARK[],1",
    "actions=check_pkt_larger(1500)->NXM_NX_REG0[0],check_pkt_larger(0)->reg4[31],check_pkt_larger(65535)->metadata[63],1",
    "actions=multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[]),multipath(symmetric_l4, 1024, hash_threshold, 10, 0, NXM_NX_REG1[0..3])",
    "actions=multipath(symmetric_l3l4,1024,hrw,5000,0,NXM_NX_REG1[0..12]),multipath(symmetric_l3l4+udp,1,iter_hash,65536,70000,reg2[16..31])",
    "ip,actions=multipath(nw_src,0,modulo_n,4,5,ip_dst[0..1]),multipath(nw_dst,0,modulo_n,4,0,reg0[]),multipath(symmetric_l3,0,hrw,4,0,tun_id[]),1",
    "actions=bundle(symmetric_l4,60,hrw,ofport,members:1,2,LOCAL),bundle(eth_src,0,active_backup,ofport,slaves:4,8)",
    "actions=bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG0[],members:4,8),bundle_load(nw_dst,1,active_backup,ofport,reg1[16..31],members:1)",
    "actions=bundle(symmetric_l4,60,hrw,ofport,members:),bundle_load(symmetric_l4,60,hrw,ofport,reg0[],members:)",
    "tcp,actions=check_pkt_larger(0x10)->ip_dst[7],resubmit(,1)",
    "actset_output=3,actions=1",
    "table=1,actset_output=unset,actions=move:ONFOXM_ET_ACTSET_OUTPUT[0..31]->OXM_OF_PKT_REG0[0..31],goto_table(2)",
    "actset_output=IN_PORT,actions=move:actset_output[0..15]->reg0[0..15],1",
    "actions=1,load:9->NXM_OF_IN_PORT[],set_field:3->in_port,set_field:LOCAL->in_port,move:reg0[0..15]->NXM_OF_IN_PORT[],1",
    "actions=note,note:,note:aabb,note:aa.bb.cc.dd.ee.ff,note:0102030405.06.07,1",
    "mpls,mpls_label=5,mpls_tc=3,mpls_bos=1,mpls_ttl=64,actions=1",
    "mplsm,mpls_label=0xfffff,actions=1",
    "dl_type=0x8847,mpls_bos=0,priority=7,in_port=2,actions=1",
    "ip,actions=push_mpls:0x8847,1",
    "mpls,actions=push_mpls:0x8848,dec_mpls_ttl,1",
    "mpls,actions=pop_mpls:0x0800,dec_ttl,set_field:10.0.0.1->ip_dst,1",
    "mpls,actions=pop_mpls:0x86dd,set_field:::1->ipv6_dst,1",
    "mpls,actions=pop_mpls:0x8847,dec_mpls_ttl,pop_mpls:0x806,1",
    "mpls,actions=set_field:5->mpls_label,set_field:3->mpls_tc,1",
    "mpls,actions=move:mpls_label[]->reg0[0..19],1",
    "mpls,actions=move:OXM_OF_MPLS_BOS[]->reg0[0],move:NXM_NX_MPLS_TTL[]->reg1[0..7],1",
    "ip,actions=push_mpls:0x8847,set_field:10->mpls_label,push_vlan:0x8100,1",
];

/// Flows that both refuse.
const REFUSED: &[&str] = &[
    "actions=learn(table=255)",
    "actions=learn(table=256)",
    "actions=learn(foo=1)",
    "actions=learn(foo[]=reg0[])",
    "actions=learn(NXM_OF_IP_DST[]=NXM_OF_IP_SRC[])",
    "ip,actions=learn(NXM_OF_IP_DST[]=NXM_OF_IP_SRC[])",
    "actions=learn(eth_type=0x800,NXM_OF_IP_DST[]=NXM_OF_IP_SRC[])",
    "tcp,actions=learn(eth_type=0x800,NXM_OF_TCP_DST[]=NXM_OF_TCP_SRC[])",
    "tcp,actions=learn(eth_type=0x800,NXM_OF_TCP_DST[]=NXM_OF_TCP_SRC[],nw_proto=6)",
    "ip,actions=learn(load:NXM_OF_IP_SRC[]->NXM_OF_IP_DST[])",
    "actions=learn(NXM_OF_ETH_DST[]=NXM_OF_IN_PORT[])",
    "actions=learn(NXM_OF_VLAN_TCI[0..11]=4096)",
    "actions=learn(NXM_OF_ETH_DST[]=x)",
    "actions=learn(load:5->reg0[0..1])",
    "actions=learn(load:5)",
    "actions=learn(load:->reg0[])",
    "actions=learn(load:reg1[]->reg0[0..7])",
    "actions=learn(load:0x1fedbca9876543210fedbca9876543210->NXM_NX_IPV6_DST[])",
    "actions=learn(load:0xfedbca9876543210fedbca9876543210->NXM_NX_IPV6_DST[])",
    "actions=learn(output:foo)",
    "actions=learn(output:NXM_OF_IP_SRC[])",
    "actions=learn(result_dst=reg0[0..1])",
    "actions=learn(result_dst=NXM_NX_CONJ_ID[0])",
    "actions=learn(result_dst=foo[0])",
    "actions=write_actions(learn(NXM_OF_ETH_SRC[]))",
    "actions=write_actions(fin_timeout(idle_timeout=1))",
    "actions=fin_timeout(idle_timeout=1)",
    "udp,actions=fin_timeout(idle_timeout=1)",
    "tcp,actions=fin_timeout(foo=1)",
    "tcp,actions=fin_timeout(idle_timeout=65536)",
    "actions=enqueue:2",
    "actions=enqueue:all:1",
    "actions=enqueue:flood:1",
    "actions=set_queue",
    "actions=set_queue:x",
    "actions=output:2,meter:1",
    "actions=meter:1,meter:2,1",
    "actions=meter:1,drop",
    "ip,actions=meter:1,conjunction(1,1/2)",
    "actions=write_actions(meter:1)",
    "actions=clone(meter:1)",
    "actions=meter:0,1",
    "actions=meter:controller,1",
    "actions=controller:70000",
    "actions=controller(max_len=70000)",
    "actions=controller(id=70000)",
    "actions=controller(userdata=1)",
    "actions=controller(userdata=0g)",
    "actions=controller(reason=none)",
    "actions=controller(foo=1)",
    "actions=output:CONTROLLER:5",
    "actions=write_actions(controller(id=2))",
    "priority=5",
    "ip,ACTIONS=1",
    "foo=1,actions=1",
    "actions=foo",
    "IP,actions=1",
    "actions=g1",
    "in_port=g1,actions=1",
    "in_port=1/2,actions=1",
    "actions=output",
    "actions=output:",
    "actions=output:0x1",
    "actions=output:70000",
    "actions=output:65280",
    "actions=1,drop",
    "actions=output:1;output:2",
    "priority,actions=1",
    "priority=65536,actions=1",
    "priority=-1,actions=1",
    "cookie=5/7,actions=1",
    "cookie=18446744073709551616,actions=1",
    "nw_src=10.0.0.1,actions=1",
    "tp_dst=80,actions=1",
    "ip,tp_dst=80,actions=1",
    "ip,icmp_type=8,actions=1",
    "ip_dscp=3,actions=1",
    "arp,nw_ttl=3,actions=1",
    "ip,ipv6_src=::1,actions=1",
    "ipv6,nw_src=1.2.3.4,actions=1",
    "icmp6,nd_target=::1,actions=1",
    "icmp6,icmp_type=135,icmp_code=0,nd_tll=00:00:00:00:00:01,actions=1",
    "tcp,ip_frag=later,tp_dst=80,actions=1",
    "ip,nw_src=1.2.3,actions=1",
    "ip,nw_src=1.2.3.4/33,actions=1",
    "ipv6,ipv6_src=1::2::3,actions=1",
    "ipv6,ipv6_label=0x100000,actions=1",
    "dl_src=00:11:22:33:44,actions=1",
    "dl_src=00:11:22:33:44:55/24,actions=1",
    "dl_type=0x10000,actions=1",
    "dl_type=0x800/0xff00,actions=1",
    "dl_vlan=5/7,actions=1",
    "vlan_pcp=1/1,actions=1",
    "ip,nw_ttl=3/1,actions=1",
    "ip,nw_tos=256,actions=1",
    "ip,nw_proto=256,actions=1",
    "ip,ip_frag=maybe,actions=1",
    "icmp,icmp_type=256,actions=1",
    "icmp,icmp_type=5/7,actions=1",
    "tcp,tp_src=70000,actions=1",
    "tcp,tcp_flags=+foo,actions=1",
    "tcp,tcp_flags=0x1000,actions=1",
    "tun_tos=5,actions=1",
    "tun_flags=2,actions=drop",
    "tun_flags=foo,actions=drop",
    "tun_gbp_id=65536,actions=drop",
    "actions=set_field:5",
    "actions=set_field:5->",
    "actions=set_field:->tun_id",
    "actions=set_field:5->foo",
    "actions=set_field:5 -> tun_id",
    "actions=set_field:10.0.0.1->ip_dst",
    "arp,actions=set_field:10.0.0.1->nw_dst",
    "ip,actions=set_field:10.0.0.1/24->ip_dst",
    "ip,actions=set_field:80->tcp_dst",
    "tcp,actions=set_field:80->udp_dst",
    "udp,actions=set_field:80->tp_dst",
    "ip,actions=set_field:no->ip_frag",
    "tcp,actions=set_field:2->tcp_flags",
    "ip,actions=set_field:5->nw_tos",
    "ip,actions=set_field:256->nw_ttl",
    "ip,actions=set_field:3/1->nw_ttl",
    "actions=set_field:4101->vlan_vid",
    "dl_vlan=5,actions=set_field:5->vlan_vid",
    "dl_vlan=5,actions=set_field:3->dl_vlan_pcp",
    "actions=push_vlan:0x9100",
    "actions=mod_vlan_vid:4096",
    "actions=mod_vlan_pcp:8",
    "actions=mod_dl_src:01",
    "actions=mod_dl_dst",
    "actions=mod_nw_dst:10.0.0.1",
    "ip,actions=mod_tp_dst:80",
    "ip,actions=mod_nw_tos:5",
    "ip,actions=mod_nw_ecn:4",
    "ip,actions=mod_nw_ttl:256",
    "ip,actions=mod_nw_src:1",
    "tcp,actions=mod_tp_src:65536",
    "actions=set_tunnel:x",
    "table=256,actions=1",
    "reg0=0x100000000,actions=1",
    "reg16=1,actions=1",
    "actions=load:0x10->reg0[4..7]",
    "actions=load:5->foo[]",
    "actions=load:5->reg0[3..1]",
    "actions=load:5->reg0[0..32]",
    "actions=load:-1->reg0[]",
    "actions=load:5",
    "ip,actions=load:5->tcp_dst[]",
    "actions=set_field:7->reg0[]",
    "actions=set_field:7->NXM_NX_REG0",
    "actions=move:reg0[0..3]->reg1[0..4]",
    "actions=move:reg0[]",
    "actions=move:NXM_OF_IP_SRC[]->reg0[]",
    "arp,actions=move:nw_src[]->reg0[]",
    "actions=output:reg0[5..3]",
    "actions=group:x",
    "actions=group",
    "actions=dec_ttl",
    "actions=resubmit(,)",
    "actions=resubmit()",
    "actions=resubmit:in_port",
    "actions=resubmit(,255)",
    "actions=resubmit(,256)",
    "actions=clone(goto_table:1)",
    "table=1,actions=goto_table:1",
    "table=2,actions=goto_table:1",
    "actions=goto_table:1,1",
    "actions=goto_table:1,goto_table:2",
    "actions=goto_table:2,write_metadata:1",
    "actions=write_metadata:1,clear_actions",
    "actions=write_metadata:1,write_metadata:1",
    "actions=write_actions(1),write_actions(2)",
    "actions=write_actions(1),clear_actions",
    "actions=clear_actions,1",
    "actions=drop,goto_table:1",
    "actions=write_actions(clone(1))",
    "actions=write_actions(output:reg0[])",
    "actions=output(port=1,max_len=13)",
    "actions=output(port=controller,max_len=100)",
    "actions=apply_actions(1)",
    "actions=conjunction(1,1/2),1",
    "actions=1,conjunction(1,1/2)",
    "actions=conjunction(1,1/2),drop",
    "actions=conjunction(1,1/2),goto_table:3",
    "actions=conjunction(1,1/2),clear_actions",
    "actions=write_metadata:3,conjunction(1,1/2)",
    "actions=write_actions(conjunction(1,1/2))",
    "actions=conjunction(1,1/1)",
    "actions=conjunction(1,3/2)",
    "actions=conjunction(1,0/2)",
    "actions=conjunction(1,1/65)",
    "actions=conjunction:1",
    "actions=conjunction(1,2)",
    "actions=conjunction",
    "conj_id=5/7,actions=1",
    "actions=set_field:3->conj_id",
    "actions=load:3->NXM_NX_CONJ_ID[]",
    "icmp6,icmp_type=136,actions=set_field:aa:aa:aa:aa:aa:aa->nd_sll",
    "icmp6,icmp_type=135,actions=set_field:aa:aa:aa:aa:aa:aa->nd_tll",
    "icmp6,actions=set_field:fe80::3->nd_target",
    "tcp,actions=set_field:80->sctp_dst",
    "actions=push:foo[]",
    "actions=pop:conj_id[]",
    "actions=pop:ip_src[]",
    "actions=push",
    "actions=write_actions(exit)",
    "actions=write_actions(push:reg0[])",
    "actions=check_pkt_larger(1500)->reg0[0..1]",
    "actions=multipath(eth_dst,50,modulo_n,1,0,NXM_NX_REG0[])",
    "actions=multipath(eth_src,50,modulo,1,0,NXM_NX_REG0[])",
    "actions=multipath(eth_src,50,modulo_n,0,0,NXM_NX_REG0[])",
    "actions=multipath(eth_src,50,modulo_n,65537,0,NXM_NX_REG0[])",
    "actions=multipath(eth_src,50,modulo_n,17,0,NXM_NX_REG0[0..3])",
    "actions=multipath(eth_src,50,modulo_n,1,0)",
    "actions=multipath",
    "actions=bundle(eth_src,0,hrw,ofport)",
    "actions=bundle(eth_src,0,modulo_n,ofport,members:1)",
    "actions=bundle(eth_src,0,hrw,reg0,members:1)",
    "actions=bundle_load(eth_src,0,hrw,ofport,members:1)",
    "actions=write_actions(bundle(eth_src,0,hrw,ofport,members:1))",
    "actions=set_field:1->actset_output",
    "actset_output=1/2,actions=1",
    "actions=check_pkt_larger(1500)->reg0[32]",
    "actions=check_pkt_larger(65536)->reg0[0]",
    "actions=check_pkt_larger(1500)",
    "actions=check_pkt_larger",
    "actions=write_actions(check_pkt_larger(1)->reg0[0])",
    "actions=note:zz",
    "actions=note:123",
    "actions=write_actions(note:01)",
];

/// Flows that ovs-ofctl accepts and we refuse, and why.
const STRICTER: &[(&str, &str)] = &[
    ("actions=check_pkt_larger(1500)->ip_src[0]", "the frames need not have the field"),
    ("actions=learn(priority=65536)", "the value would be cut"),
    ("actions=learn(limit=4294967296)", "the value would be cut"),
    ("actions=learn(hard_timeout=-1)", "the value would be cut"),
    ("actions=learn(table=254)", "OpenFlow reserves that table"),
    ("actions=learn(send_flow_rem=1)", "the value would be ignored"),
    ("actions=learn(NXM_OF_ETH_DST[],NXM_OF_ETH_DST[0..7])", "the first condition would be ignored"),
    ("actions=learn(eth_type=0x800,eth_type=0x86dd)", "the first condition would be ignored"),
    ("actions=learn(NXM_OF_ETH_TYPE[0..7])", "the condition would be ignored"),
    ("actions=learn(vlan_vid=0x1005)", "the value would be cut"),
    ("ip,actions=learn(result_dst=NXM_OF_TCP_SRC[0])", "the frames need not have the field"),
    ("ip,actions=learn(eth_type=0x800,nw_tos=8)", "not supported yet"),
    ("actions=pop_queue:3", "the value would be ignored"),
    ("actions=set_queue:4294967296", "the value would be cut"),
    ("ip=5,actions=1", "the value would be ignored"),
    ("actions=drop:5", "the value would be ignored"),
    ("actions=in_port:5", "the value would be ignored"),
    ("tcp,udp,actions=1", "the first condition would be ignored"),
    ("dl_vlan=5,dl_vlan=6,actions=1", "the first condition would be ignored"),
    ("priority=1,priority=2,actions=1", "the first value would be ignored"),
    ("udp,tcp_flags=2,actions=1", "the condition would be ignored"),
    ("ip_frag=no,actions=1", "the condition would be ignored"),
    ("ip,ip_dscp=64,actions=1", "the value would be cut"),
    ("ip,nw_ecn=4,actions=1", "the value would be cut"),
    ("ip,nw_tos=5,actions=1", "the value would be cut"),
    ("dl_vlan=4096,actions=1", "the value would be cut"),
    ("dl_vlan_pcp=8,actions=1", "the value would be cut"),
    ("arp,arp_op=256,actions=1", "the value would be cut"),
    ("vlan_vid=5,actions=1", "no frame fits it"),
    ("tcp,udp_src=5,actions=1", "the words contradict each other"),
    ("ip,arp_spa=10.0.0.1,actions=1", "the words contradict each other"),
    ("actions=set_field:3->vlan_tci", "pop_vlan says it"),
    ("actions=set_tunnel:-1", "there are no negative keys"),
    ("actions=output:0", "there is no port 0"),
    ("actions=clone(1", "the parenthesis is not closed"),
    ("table=254,actions=1", "OpenFlow reserves that table"),
    ("table=255,actions=1", "that is no table"),
    ("actions=goto_table:254", "OpenFlow reserves that table"),
    ("reg0=1,reg0=2,actions=1", "the first condition would be ignored"),
    ("xreg0=5,reg1=5/0xf,actions=1", "a condition would be ignored"),
    ("actions=write_metadata:0x15/7", "bits would be ignored"),
    ("actions=write_metadata:5/0", "nothing would be written"),
    ("actions=write_actions(dec_ttl)", "the frame may have no time to live"),
    ("actions=group:0xffffff01", "OpenFlow reserves that group"),
    ("actions=load:5->NXM_OF_VLAN_TCI[0..11]", "the frame may have no tag"),
    ("ip,actions=load:10.0.0.1->NXM_OF_IP_DST[]", "10 would be loaded"),
    ("actions=write_actions(resubmit(,1))", "not supported yet"),
    ("actions=controller(pause)", "not supported yet"),
    ("actions=controller(meter_id=3)", "not supported yet"),
    ("ip,actions=move:nw_tos[]->reg0[0..7]", "not supported yet"),
    ("ip,actions=move:ip_frag[]->reg0[0..1]", "not supported yet"),
    ("arp,actions=move:arp_op[]->reg0[0..15]", "not supported yet"),
    ("NXM_NX_REG0[]=5,actions=1", "not supported yet"),
    ("actions=set_field:10.0.0.1->tun_src", "not supported yet"),
    ("actions=conjunction(4294967296,1/2)", "the number would be cut"),
    ("actions=clone(conjunction(1,1/2))", "it would say nothing"),
];

/// Flows that OpenFlow 1.0 accepts, and so do we: there the action has no effect on frames without the header.
const ACCEPTED_AS_OPENFLOW_10: &[&str] = &[
    "actions=strip_vlan,1",
    "actions=pop_vlan,pop_vlan,1",
    "actions=mod_vlan_vid:7,1",
    "actions=mod_vlan_pcp:7,1",
];

/// What ovs-ofctl makes of a flow; nothing when it refuses it.
fn theirs(version: &str, flow: &str) -> Option<String> {
    let output = Command::new("ovs-ofctl").args(["-O", version, "parse-flow", flow]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).contains("normalization changed");
    if !output.status.success() || complained || said.contains("decode error") {
        return None;
    }
    let text = said.lines().find_map(|line| line.split_once(": ADD ").map(|(_, text)| text))?;
    Some(normalised(text.trim()))
}

/// The same text in the order of `dump-flows`, and with one spelling of the time to live.
fn normalised(text: &str) -> String {
    let (conditions, actions) = text.split_at(text.find("actions=").unwrap());
    let (mut cookie, words): (Vec<_>, Vec<_>) = conditions
        .split_whitespace()
        .partition(|word| word.starts_with("cookie:") || word.starts_with("table:"));
    cookie.sort();
    let cookie = cookie.iter().map(|word| format!("{}, ", word.replace(':', "=")));
    let words = words.iter().map(|word| format!("{word} "));
    let actions = actions.split(',').map(|action| match action.split_once("mod_nw_ttl:") {
        Some((before, ttl)) => format!("{before}set_field:{ttl}->nw_ttl"),
        None => action.to_string(),
    });
    cookie.chain(words).collect::<String>() + &actions.collect::<Vec<_>>().join(",")
}

fn ours(flow: &str) -> Option<String> {
    let (table, rule) = parse_table_flow("flow", flow, &NoNames).ok()?;
    Some(format_flow(table, &rule, &NoNames))
}

/// Whether the program is there; a test without it says so, or fails where no test may be skipped.
fn installed() -> bool {
    if Command::new("ovs-ofctl").arg("--version").output().is_ok() {
        return true;
    }
    let message = "skipped: needs ovs-ofctl (the second opinion on the flow syntax)";
    assert!(std::env::var_os("ADIT_TESTS_NO_SKIP").is_none(), "{message}");
    eprintln!("{message}");
    false
}

#[test]
fn flows_are_accepted_and_written_as_ovs_ofctl_does() {
    if !installed() {
        return;
    }
    for flow in ACCEPTED {
        let (table, ours) =
            parse_table_flow("flow", flow, &NoNames).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(Some(format_flow(table, &ours, &NoNames)), theirs("OpenFlow15", flow), "{flow}");
    }
}

#[test]
fn flows_are_refused_as_ovs_ofctl_does() {
    if !installed() {
        return;
    }
    for flow in REFUSED {
        assert_eq!((ours(flow), theirs("OpenFlow15", flow)), (None, None), "{flow}");
    }
}

#[test]
fn every_flow_that_only_we_refuse_has_a_reason() {
    if !installed() {
        return;
    }
    for (flow, why) in STRICTER {
        assert_eq!(ours(flow), None, "{flow} ({why})");
        assert!(theirs("OpenFlow15", flow).is_some(), "{flow}: ovs-ofctl refuses it as well");
    }
}

#[test]
fn actions_on_tags_are_accepted_where_openflow_10_accepts_them() {
    if !installed() {
        return;
    }
    for flow in ACCEPTED_AS_OPENFLOW_10 {
        assert!(ours(flow).is_some() && theirs("OpenFlow10", flow).is_some(), "{flow}");
        let written = ours(flow).unwrap();
        assert_eq!(ours(&written), Some(written.clone()));
    }
}

/// Groups that both accept, and write the same way.
const GROUPS_ACCEPTED: &[&str] = &[
    "group_id=1,type=all,bucket=1",
    "group_id=1,type=select,bucket=bucket_id=1,weight=50,watch_port=2,actions=output:2,bucket=output:3",
    "group_id=2,type=all,bucket=1,bucket=actions=2",
    "group_id=3 type=indirect bucket=output:1",
    "group_id=5,type=fast_failover,bucket=watch_port=1,actions=output:1",
    "group_id=6,type=all",
    "group_id=7,type=all,bucket=set_field:5->reg0,2",
    "group_id=9,type=select,bucket=bucket_id:5,actions=1,bucket=actions=2,bucket=3",
    "group_id=1,type=select,bucket=weight=0,1",
    "group_id=1,type=all,bucket=drop",
    "group_id=1,type=all,bucket=1,2",
    "group_id=1,type=all,bucket=actions=1,actions=2",
    "group_id=1,type=all,bucket=bucket_id=0xffffff00,1",
    "group_id=1,type=all,bucket=set_field:10.0.0.1->ip_dst,set_field:80->tcp_dst,dec_ttl,1",
    "group_id=1,type=select,bucket=actions=output:1,weight=4",
    "group_id=0xffffff00,type=ff,bucket=actions=output:1,watch_port=4",
    "group_id=1,type=select,selection_method=hash,bucket=1,bucket=2",
    "group_id=1,type=select,selection_method=hash,selection_method_param=0xffffffffffffffff,bucket=1",
    "group_id=1,type=select,selection_method=dp_hash,selection_method_param=4294967303,bucket=1",
    "group_id=1,type=select,selection_method=hash,fields=ip_src,bucket=1",
    "group_id=1,type=select,selection_method=hash,fields(nw_src,nw_dst=255.255.0.0,tcp_src=65280),bucket=1",
    "group_id=1,type=select,selection_method=hash,fields(eth_dst=ff:ff:ff:00:00:00,ipv6_src=ffff::),bucket=1",
    "group_id=1,type=select,selection_method=hash,fields(tun_id,metadata=0xff00,reg0=0xff,reg15),bucket=1",
    "group_id=1,type=select,selection_method=hash,fields(vlan_tci=0x0fff,nw_proto,nw_ttl=255,arp_spa),bucket=1",
    "group_id=1,type=select,selection_method=hash,fields(tp_dst,udp_dst,sctp_dst,icmp_code),bucket=1",
    "group_id=1,type=all,bucket=load:5->NXM_NX_REG0[0..15],move:reg0[]->reg1[],output:reg1[],ALL",
];

/// Groups that both refuse.
const GROUPS_REFUSED: &[&str] = &[
    "type=all,bucket=1",
    "group_id=1,bucket=1",
    "group_id=1,type=foo,bucket=1",
    "group_id=1,type=ALL,bucket=1",
    "group_id=0xffffff01,type=all,bucket=1",
    "group_id=1,type=indirect,bucket=1,bucket=2",
    "group_id=1,type=indirect",
    "group_id=1,type=ff,bucket=1",
    "group_id=1,type=all,bucket=weight=5,1",
    "group_id=1,type=all,bucket=watch_port=5,1",
    "group_id=1,type=select,bucket=weight=70000,1",
    "group_id=1,type=all,bucket=",
    "group_id=1,type=all,bucket=goto_table:1",
    "group_id=1,type=all,bucket=bucket_id=1,1,bucket=bucket_id=1,2",
    "group_id=1,type=all,foo=1,bucket=1",
    "group_id=1,type=all,selection_method=hash,bucket=1",
    "group_id=1,type=select,selection_method=rendezvous,bucket=1",
    "group_id=1,type=select,selection_method_param=1,bucket=1",
    "group_id=1,type=select,fields=ip_src,bucket=1",
    "group_id=1,type=select,selection_method=dp_hash,fields=ip_src,bucket=1",
    "group_id=1,type=select,selection_method=hash,fields(ip_src,ip_src),bucket=1",
    "group_id=1,type=select,selection_method=hash,fields=nonsense,bucket=1",
    "group_id=1,type=select,selection_method=hash,fields(ip_src=0.0.0.0),bucket=1",
    "group_id=1,type=select,selection_method=hash,fields(nw_proto=15),bucket=1",
    "group_id=1,type=select,command_bucket_id=all,bucket=1",
    "add group_id=1,type=all,bucket=1",
];

/// Groups that ovs-ofctl accepts and we refuse, and why.
const GROUPS_STRICTER: &[(&str, &str)] = &[
    ("group_id=1,group_id=2,type=all,bucket=1", "the first number would be ignored"),
    ("group_id=1,type=all,bucket=group:1", "it leads back to itself"),
    ("group_id=1,type=all,bucket=group:2", "there is no such group"),
    ("group_id=1,type=ff,bucket=watch_group=2,1", "there is no such group"),
    ("group_id=1,type=all,bucket=resubmit(,1)", "not supported yet"),
    ("group_id=1,type=all,bucket=clone(1)", "not supported yet"),
];

/// What ovs-ofctl makes of a group; nothing when it refuses it.
fn their_group(group: &str) -> Option<String> {
    let output = Command::new("ovs-ofctl").args(["-O", "OpenFlow15", "parse-group", group]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = said.lines().find_map(|line| line.strip_prefix(" ADD "));
    text.filter(|_| output.status.success()).map(str::to_string)
}

fn our_group(group: &str) -> Option<String> {
    let groups = parse_groups("group", group, &NoNames).ok()?;
    groups.first().map(|(id, group)| format_group(*id, group, &NoNames))
}

#[test]
fn groups_are_accepted_refused_and_written_as_ovs_ofctl_does() {
    if !installed() {
        return;
    }
    for group in GROUPS_ACCEPTED {
        assert!(our_group(group).is_some(), "{group}: {:?}", parse_groups("group", group, &NoNames));
        assert_eq!(our_group(group), their_group(group), "{group}");
    }
    for group in GROUPS_REFUSED {
        assert_eq!((our_group(group), their_group(group)), (None, None), "{group}");
    }
    for (group, why) in GROUPS_STRICTER {
        assert_eq!(our_group(group), None, "{group} ({why})");
        assert!(their_group(group).is_some(), "{group}: ovs-ofctl refuses it as well");
    }
}

/// Words of flows that are other actions before OpenFlow 1.5, of the same meaning: a `load` is a `set_field` of all or of part of a field, and
/// what ovs-ofctl cannot say in one action it says in several. "No tag" is said in one way, whatever the word for it.
const OTHER_ACTIONS_BEFORE_15: &[&str] = &["load:", "set_field", "set_queue", "vlan_vid=0,"];
/// Words that OpenFlow 1.0 has nothing for. Open vSwitch leaves them out there, or says something near it.
const NOTHING_IN_10: &[&str] = &["write_actions", "clear_actions", "goto_table", "meter", "push_vlan"];
/// Flows that come back otherwise in OpenFlow 1.5 too, and why.
const OTHERWISE_IN_15: &[(&str, &str)] = &[(
    "ip,actions=set_field:4->nw_tos,set_field:3->ip_dscp,set_field:1->ip_ecn,set_field:6->nw_ttl,1",
    "of nw_tos only the bits of ip_dscp are set, so that is what it is",
)];

#[test]
fn flows_are_on_the_wire_as_ovs_ofctl_has_them() {
    use control::openflow::Version::{V10, V13, V14, V15};
    if !installed() {
        return;
    }
    let mut wrong = Vec::new();
    let mut compared = 0;
    for flow in ACCEPTED {
        let (_, rule) = parse_table_flow("flow", flow, &NoNames).unwrap();
        let expected = Ok((rule.matching.clone(), (*rule.instructions).clone()));
        let has = |words: &[&str]| words.iter().any(|word| flow.contains(word));
        for version in [V10, V13, V14, V15] {
            let other = match version {
                V15 => OTHERWISE_IN_15.iter().any(|(other, _)| other == flow),
                _ => has(OTHER_ACTIONS_BEFORE_15),
            };
            let ours = on_wire::write(version, OptionMap::EMPTY, &rule.matching, &rule.instructions);
            if version != V10 || !has(NOTHING_IN_10) {
                let read = on_wire::read(version, OptionMap::EMPTY, &ours);
                if read != expected && !other {
                    wrong.push(format!("{version:?} {flow}: comes back as {read:?}\n  not as {expected:?}"));
                }
            }
            let Some(theirs) = on_wire::theirs(version, flow) else { continue };
            compared += 1;
            let says = |wire| on_wire::printed(version, wire);
            if ours != theirs && (says(&ours) != says(&theirs)) && !other {
                wrong.push(format!("{version:?} {flow}: {}\n  not {}", says(&ours), says(&theirs)));
            }
            if says(&ours).contains("error") && !says(&theirs).contains("error") {
                wrong.push(format!("{version:?} {flow}: {}", says(&ours)));
            }
            if version == V10 && has(NOTHING_IN_10) {
                continue;
            }
            let read = on_wire::read(version, OptionMap::EMPTY, &theirs);
            if read != expected && !other {
                wrong.push(format!("{version:?} {flow}: read as {read:?}\n  not as {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > ACCEPTED.len() * 3, "{compared}");
}
