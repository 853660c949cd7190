//! Estimates and intervals from blocks
