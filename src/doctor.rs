//! `pillion doctor`: preflight alone.

use std::time::Duration;

use anyhow::Result;
use pillion_harness::preflight::refused;

use crate::arguments::DoctorOptions;
use crate::exit::Exit;
use crate::session::{Session, show};

pub(crate) fn doctor(options: &DoctorOptions) -> Result<Exit> {
    let session = Session::open(&options.lanes, false, 1, Duration::from_millis(10))?;
    let checks = session.preflight();
    show(&checks, true);
    Ok(if refused(&checks) { Exit::Refused } else { Exit::Fine })
}
