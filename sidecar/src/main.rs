//! The binary `pillion-sidecar`.

fn main() -> std::process::ExitCode {
    pillion_sidecar::program()
}
