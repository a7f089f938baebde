//! Pcap tests.
