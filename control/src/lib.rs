//! Control.

mod allowance;
pub mod api;
pub mod attach;
mod causes;
pub mod check;
pub mod cli;
pub mod commands;
pub mod compile;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod doctor;
pub mod lab;
pub mod learning;
pub mod netlink;
pub mod ofproto;
pub mod openflow;
pub mod pmtu;
pub mod replay;
pub mod show;
pub mod status;
pub mod tenants;
pub mod text;
pub mod trace;
pub mod traffic;
