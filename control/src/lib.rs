//! Control.

pub mod attach;
pub mod check;
pub mod cli;
pub mod config;
pub mod demo;
pub mod lab;
pub mod netlink;
pub mod text;
