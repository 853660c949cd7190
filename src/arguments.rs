//! What may be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::exit;
use crate::host::arguments::HostVerb;
use crate::module::arguments::ModuleVerb;

/// Measures an in-process waSCC-style host against a Dapr-compatible sidecar, over the same providers.
#[derive(Debug, Parser)]
#[command(name = "pillion", version, after_help = exit::HELP, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Measure everything and open on verdicts: plan, preflight, run, report
    #[command(after_help = concat!(
        "Examples:\n",
        "  pillion compare --quick            a first look in a minute and a half; not for verdicts\n",
        "  pillion compare                    the full comparison, some 18 minutes\n",
        "  pillion compare --budget 40m       more rounds, narrower intervals\n",
        "  pillion compare --lanes noop,direct,host,sidecar-grpc-uds\n",
        "  pillion compare --lanes all --budget 1h   every form of the sidecar, not the core lanes alone\n\n",
        "The last line is the path of report.html. A run that is stopped goes on by `pillion resume DIR`."))]
    Compare(RunOptions),
    /// Measure, without a report
    #[command(after_help = concat!(
        "Examples:\n",
        "  pillion run --quick --lanes noop,direct --out runs/first\n",
        "  pillion report runs/first"))]
    Run(RunOptions),
    /// Go on with a run that was stopped, in its recorded order
    #[command(
        after_help = "Example:\n  pillion resume runs/2026-11-22T210000Z\n\nCommit, programs, modules, servers and machine must be those of the run."
    )]
    Resume(ResumeOptions),
    /// Write report.html, report.md and results.json from a run's data alone
    #[command(after_help = concat!(
        "Examples:\n",
        "  pillion report runs/first\n",
        "  pillion report runs/first --check   prove that the report fits its data; writes nothing\n",
        "  pillion report runs/first --splice README.md   put the run's figures between the file's markers"))]
    Report(ReportOptions),
    /// Show lanes, workloads, providers and claims
    #[command(after_help = "Example:\n  pillion list")]
    List,
    /// Is this machine, now, fit to measure on? With remedies
    #[command(after_help = "Examples:\n  pillion doctor\n  pillion doctor --lanes sidecar-http-tcp")]
    Doctor(DoctorOptions),
    /// The waSCC-style host by itself: run signed actors
    #[command(after_help = concat!(
        "Example, from keys to a request:\n",
        "  pillion module keygen account --out account.seed            prints A…\n",
        "  pillion module keygen module --out app.seed\n",
        "  pillion module sign app.wasm --account-key account.seed --module-key app.seed \\\n",
        "      --cap wascc:keyvalue --cap wascc:http_server -o app.signed.wasm\n",
        "  pillion host run host.yaml                                  `pillion host run --help` shows one"))]
    Host {
        #[command(subcommand)]
        verb: HostVerb,
    },
    /// Keys, signed modules, and the tokens that vouch for them
    #[command(after_help = concat!(
        "Example, from keys to a module that is believed:\n",
        "  pillion module keygen operator --out operator.seed          prints O…\n",
        "  pillion module keygen account --out account.seed            prints A…\n",
        "  pillion module keygen module --out app.seed                 prints M…\n",
        "  pillion module token operator --operator-key operator.seed -o operator.jwt\n",
        "  pillion module token account --operator-key operator.seed --subject A… -o account.jwt\n",
        "  pillion module sign app.wasm --account-key account.seed --module-key app.seed \\\n",
        "      --cap wascc:keyvalue -o app.signed.wasm\n",
        "  pillion module verify app.signed.wasm --operator O… --token operator.jwt --token account.jwt"))]
    Module {
        #[command(subcommand)]
        verb: ModuleVerb,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunOptions {
    /// Few rounds and cells; the report is stamped "not for verdicts"
    #[arg(long)]
    pub(crate) quick: bool,
    /// The time that all rounds may take, as 90s, 18m or 2h
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "18m")]
    pub(crate) budget: Duration,
    /// The directory of the run; a new one under runs/ if it is not given
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Only these lanes; `pillion list` shows them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) lanes: Vec<String>,
    /// Exactly so many rounds, instead of what a pilot and the budget say
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: Option<u32>,
    /// The measured time of one block, from 1ms to 60s [default: 120ms, or 60ms with --quick]
    #[arg(long, value_name = "TIME", value_parser = block)]
    pub(crate) block: Option<Duration>,
    /// The seed of orders, requests and intervals
    #[arg(long, value_name = "N", default_value_t = 20_190_514)]
    pub(crate) seed: u64,
    /// Measure although preflight refuses; the report is stamped
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ResumeOptions {
    /// The directory of the run
    pub(crate) directory: PathBuf,
    /// The time that the remaining rounds may take, while the pilot has not decided how many
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "18m")]
    pub(crate) budget: Duration,
    /// Go on although preflight refuses; the report is stamped
    #[arg(long)]
    pub(crate) force: bool,
}

/// Reads the time of a block. Too short a one holds no operation, too long a one outlasts the runner's patience.
fn block(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_millis(1)..=Duration::from_secs(60)).contains(&time) {
        Ok(time)
    } else {
        Err("a block takes from 1ms to 60s".to_owned())
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ReportOptions {
    /// The directory of the run
    pub(crate) directory: PathBuf,
    /// Prove that the report there fits the data; write nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// The Markdown file whose text between the markers `pillion:numbers` is replaced by the run's figures; with
    /// --check, the file that must hold them
    #[arg(long, value_name = "FILE")]
    pub(crate) splice: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorOptions {
    /// Only these lanes; `pillion list` shows them
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) lanes: Vec<String>,
}
