//! This test binary again, as a child process that may be killed or limited.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const PLACE: &str = "PILLION_TEST_PLACE";

/// A limit on the size of files (8 MiB) fails a write as a full disk does, and needs no rights. The shell ignores the
/// signal that would end the process instead.
pub(crate) const LIMITED: [&str; 4] = ["sh", "-c", "trap '' XFSZ; ulimit -f 16384; exec \"$@\"", "sh"];

/// Runs one of the ignored tests on a file or folder, started by `wrapper`.
pub(crate) fn child(test: &str, place: &Path, wrapper: &[&str]) -> Command {
    let myself = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(&myself),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&myself);
            command
        }
    };
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]).env(PLACE, place);
    command
}

/// The file or folder, in the child.
pub(crate) fn place() -> PathBuf {
    std::env::var_os(PLACE).expect("this test is a child process of another test").into()
}

/// Says that a value was acknowledged; past the test harness, which would hold it back.
pub(crate) fn acknowledge(line: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "acknowledged {line}").unwrap();
}
