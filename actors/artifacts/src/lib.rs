//! Builds the WebAssembly guests and hands out their paths
