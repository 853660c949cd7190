//! What `pillion module` may be asked for.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use pillion_host::identity::{JWT_SECTION, KeyKind, WASMCLOUD_JWT_SECTION};

#[derive(Debug, Subcommand)]
pub(crate) enum ModuleVerb {
    /// Make a key: the seed goes to a file of yours alone, the public key is printed
    #[command(after_help = concat!(
        "Examples:\n",
        "  pillion module keygen account --out account.seed\n",
        "  pillion module keygen module --out app.seed\n",
        "  SEED=$(pillion module keygen operator --print-seed | tail -n 1)   for a secret store\n\n",
        "Whoever has the seed can sign as the key. It is printed only when asked for."))]
    Keygen(KeygenOptions),
    /// Sign a module: an account vouches for its bytes and grants it capabilities
    #[command(after_help = concat!(
        "Examples:\n",
        "  pillion module sign app.wasm --account-key account.seed --module-key app.seed \\\n",
        "      --cap wascc:keyvalue --name app --expires-in 30d -o app.signed.wasm\n",
        "  PILLION_ACCOUNT_SEED=SA… pillion module sign app.wasm --subject M… -o app.signed.wasm\n\n",
        "Environment:\n",
        "  PILLION_ACCOUNT_SEED  the account's seed, if --account-key is not given\n",
        "  PILLION_MODULE_SEED   the module's seed, if neither --module-key nor --subject is given"))]
    Sign(SignOptions),
    /// Sign a token: an operator vouches for an account, for a cluster, or says who it is itself
    #[command(after_help = concat!(
        "Examples:\n",
        "  pillion module token operator --operator-key operator.seed --name acme -o operator.jwt\n",
        "  pillion module token account --operator-key operator.seed --subject A… --name shop \\\n",
        "      --signer A… --expires-in 365d -o account.jwt\n\n",
        "A signer may sign in the subject's name; it is the public key of another key of the subject's kind.\n\n",
        "Environment:\n",
        "  PILLION_OPERATOR_SEED  the operator's seed, if --operator-key is not given"))]
    Token(TokenOptions),
    /// Show what a signed module or a token says, whether or not anybody trusts it
    #[command(after_help = concat!(
        "Examples:\n",
        "  pillion module inspect app.signed.wasm\n",
        "  pillion module inspect account.jwt --json"))]
    Inspect(InspectOptions),
    /// Would a host that trusts these believe this module, now?
    #[command(after_help = concat!(
        "Examples:\n",
        "  pillion module verify app.signed.wasm --issuer A…\n",
        "  pillion module verify app.signed.wasm --operator O… --token operator.jwt --token account.jwt\n\n",
        "A refused module ends in exit code 7, with the reason and the remedy."))]
    Verify(VerifyOptions),
    /// Show who vouches for a module or a token, with a verdict on each link
    #[command(after_help = concat!(
        "Examples:\n",
        "  pillion module chain app.signed.wasm --operator O… --token operator.jwt --token account.jwt\n",
        "  pillion module chain account.jwt --operator O… --token operator.jwt\n\n",
        "A broken chain ends in exit code 7."))]
    Chain(ChainOptions),
}

#[derive(Debug, Args)]
pub(crate) struct KeygenOptions {
    /// Whose key
    #[arg(value_name = "KIND", value_parser = kinds(&[KeyKind::Account, KeyKind::Module, KeyKind::Operator, KeyKind::Cluster]))]
    pub(crate) kind: KeyKind,
    /// The file for the seed; none but you can read it (mode 0600)
    #[arg(long, short, value_name = "FILE", required_unless_present = "print_seed")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the file if it is there; the key that was in it is lost
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    /// Print the seed, below the public key: for a secret store, not for a terminal that others see
    #[arg(long)]
    pub(crate) print_seed: bool,
}

/// When what is signed is valid.
#[derive(Debug, Args)]
pub(crate) struct PeriodOptions {
    /// How long it is valid from now on, as 90s, 12h or 30d [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) expires_in: Option<Duration>,
    /// It becomes valid only after this time [default: at once]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) not_before_in: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct SignOptions {
    /// The module; a token that it has already is replaced
    #[arg(value_name = "MODULE.wasm")]
    pub(crate) module: PathBuf,
    /// The file with the seed of the account that vouches for the module
    #[arg(long, value_name = "FILE")]
    pub(crate) account_key: Option<PathBuf>,
    /// The file with the seed of the module; only the public key is used
    #[arg(long, value_name = "FILE")]
    pub(crate) module_key: Option<PathBuf>,
    /// The module's public key, instead of its seed
    #[arg(long, value_name = "M…", value_parser = public_key(KeyKind::Module), conflicts_with = "module_key")]
    pub(crate) subject: Option<String>,
    /// A capability that is granted, as wascc:keyvalue; may be given more than once
    #[arg(long = "cap", value_name = "CAPABILITY")]
    pub(crate) caps: Vec<String>,
    /// A name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A tag; may be given more than once
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// The module's revision
    #[arg(long, value_name = "N")]
    pub(crate) rev: Option<i32>,
    /// The module's version, for people
    #[arg(long, value_name = "VERSION")]
    pub(crate) ver: Option<String>,
    /// Another name under which actors may call it
    #[arg(long, value_name = "NAME")]
    pub(crate) call_alias: Option<String>,
    #[command(flatten)]
    pub(crate) period: PeriodOptions,
    /// The custom section for the token
    #[arg(long, value_enum, default_value_t = Section::Jwt)]
    pub(crate) section: Section,
    /// The file for the signed module
    #[arg(long, short, value_name = "OUT")]
    pub(crate) out: PathBuf,
}

/// Where a module carries its token.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Section {
    /// as waSCC reads it
    #[value(name = JWT_SECTION)]
    Jwt,
    /// as waSCC's successors do
    #[value(name = WASMCLOUD_JWT_SECTION)]
    WasmcloudJwt,
}

#[derive(Debug, Args)]
pub(crate) struct TokenOptions {
    /// Whom the token is about
    #[arg(value_name = "KIND", value_parser = kinds(&[KeyKind::Account, KeyKind::Operator, KeyKind::Cluster]))]
    pub(crate) kind: KeyKind,
    /// The file with the seed of the operator that signs
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_key: Option<PathBuf>,
    /// The public key that the token is about; an operator's token is about itself
    #[arg(long, value_name = "KEY", required_if_eq_any([("kind", "account"), ("kind", "cluster")]))]
    pub(crate) subject: Option<String>,
    /// A name for people
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A further public key that may sign in the subject's name; may be given more than once
    #[arg(long = "signer", value_name = "KEY")]
    pub(crate) signers: Vec<String>,
    #[command(flatten)]
    pub(crate) period: PeriodOptions,
    /// The file for the token [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// A signed module, or a file with a token
    #[arg(value_name = "MODULE|TOKEN")]
    pub(crate) file: PathBuf,
    /// As JSON, the claims as they are in the token
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whom to trust.
#[derive(Debug, Args)]
pub(crate) struct TrustOptions {
    /// An account whose own signature is enough; may be given more than once
    #[arg(long = "issuer", value_name = "A…", value_parser = public_key(KeyKind::Account))]
    pub(crate) issuers: Vec<String>,
    /// An operator whose chains of tokens are believed; may be given more than once
    #[arg(long = "operator", value_name = "O…", value_parser = public_key(KeyKind::Operator))]
    pub(crate) operators: Vec<String>,
    /// A file with tokens of accounts and operators, one a line; may be given more than once
    #[arg(long = "token", value_name = "FILE")]
    pub(crate) tokens: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("root").args(["issuers", "operators"]).multiple(true).required(true))]
pub(crate) struct VerifyOptions {
    /// A signed module
    pub(crate) module: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ChainOptions {
    /// A signed module, or a file with the token of an account, an operator or a cluster
    #[arg(value_name = "MODULE|TOKEN")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustOptions,
}

/// Reads one of these kinds by its name.
fn kinds(kinds: &'static [KeyKind]) -> impl TypedValueParser<Value = KeyKind> {
    PossibleValuesParser::new(kinds.iter().map(|kind| kind.name()))
        .try_map(|name| kinds.iter().copied().find(|kind| kind.name() == name).ok_or("no such kind"))
}

/// Reads a public key of this kind: a mistyped one is told at once, for it would only never be found.
fn public_key(kind: KeyKind) -> impl Fn(&str) -> Result<String, String> + Clone {
    move |text| match KeyKind::of(text) {
        Some(found) if found == kind => Ok(text.to_owned()),
        Some(found) => Err(format!("this is the public key of a key of kind {found}, not {kind}")),
        None => Err(format!("not a public key (56 characters with a checksum); it should be of kind {kind}")),
    }
}
