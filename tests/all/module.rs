//! Keys, signing, and whom the command line believes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The smallest module there is.
const WASM: &[u8] = b"\0asm\x01\0\0\0";

/// A directory with seeds, a module and whatever is made of them; the program runs there.
struct Workshop {
    directory: TempDir,
}

/// How a program ended.
struct Done {
    code: Option<i32>,
    out: String,
    said: String,
}

// === impl Workshop ===

impl Workshop {
    fn new() -> Self {
        let workshop = Self { directory: tempfile::tempdir().unwrap() };
        fs::write(workshop.path("app.wasm"), WASM).unwrap();
        workshop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
        command.arg("module").args(arguments.split_whitespace()).current_dir(&self.directory);
        for kind in ["ACCOUNT", "MODULE", "OPERATOR"] {
            command.env_remove(format!("PILLION_{kind}_SEED"));
        }
        command
    }

    fn run(&self, arguments: &str) -> Done {
        Done::of(self.command(arguments))
    }

    /// Runs what must succeed; answers standard output.
    fn good(&self, arguments: &str) -> String {
        let done = self.run(arguments);
        assert_eq!(done.code, Some(0), "{arguments}: {}", done.said);
        done.out
    }

    /// Makes a key with its seed in `NAME.seed`; answers the public key.
    fn key(&self, kind: &str, name: &str) -> String {
        self.good(&format!("keygen {kind} --out {name}.seed")).trim().to_owned()
    }

    /// Keys, tokens and a signed module of a whole chain; answers the public keys of operator and account.
    fn chain(&self) -> (String, String) {
        let (operator, account) = (self.key("operator", "operator"), self.key("account", "account"));
        self.key("module", "app");
        self.good("token operator --operator-key operator.seed --name acme -o operator.jwt");
        self.good(&format!(
            "token account --operator-key operator.seed --subject {account} --name shop -o account.jwt"
        ));
        self.good("sign app.wasm --account-key account.seed --module-key app.seed --cap wascc:keyvalue -o app.signed.wasm");
        (operator, account)
    }
}

// === impl Done ===

impl Done {
    fn of(mut command: Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        let [out, said] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Self { code: status.code(), out, said }
    }

    fn is(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.said);
        for word in words {
            assert!(self.said.contains(word), "{word}: {}", self.said);
        }
    }
}

fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_seed_goes_to_a_file_of_ones_own_and_is_not_printed() {
    let workshop = Workshop::new();
    for (kind, letter) in [("account", 'A'), ("module", 'M'), ("operator", 'O'), ("cluster", 'C')] {
        let done = workshop.run(&format!("keygen {kind} --out {kind}.seed"));
        done.is(0, &[]);
        let (key, seed) = (done.out.trim(), workshop.read(&format!("{kind}.seed")));
        assert!(key.starts_with(letter) && key.len() == 56, "{key}");
        assert!(seed.starts_with(&format!("S{letter}")) && seed.trim().len() == 58);
        assert!(!done.out.contains(seed.trim()) && !done.said.contains(seed.trim()));
        assert_eq!(mode(workshop.path(&format!("{kind}.seed"))), 0o600);
    }
    workshop.run("keygen account").is(2, &["--out"]);
    workshop.run("keygen user --out x.seed").is(2, &["user"]);
    workshop.run("keygen account --out nowhere/x.seed").is(5, &["nowhere/x.seed"]);
    workshop.run("keygen account --out . --force").is(2, &["not a file"]);
}

#[test]
fn a_seed_that_is_there_is_kept_unless_forced() {
    let workshop = Workshop::new();
    workshop.key("account", "account");
    let seed = workshop.read("account.seed");
    workshop.run("keygen account --out account.seed").is(2, &["account.seed", "--force"]);
    assert_eq!(workshop.read("account.seed"), seed);
    fs::set_permissions(workshop.path("account.seed"), Permissions::from_mode(0o644)).unwrap();
    workshop.good("keygen account --out account.seed --force");
    assert_ne!(workshop.read("account.seed"), seed);
    assert_eq!(mode(workshop.path("account.seed")), 0o600, "whatever it was before");
    // Nothing half-written lies about.
    assert_eq!(fs::read_dir(&workshop.directory).unwrap().count(), 2);
}

#[test]
fn a_seed_is_printed_when_asked_for() {
    let workshop = Workshop::new();
    let out = workshop.good("keygen module --print-seed");
    let [key, seed] = out.lines().collect::<Vec<_>>()[..] else { panic!("{out}") };
    assert!(key.starts_with('M') && seed.starts_with("SM"), "{out}");
    assert_eq!(fs::read_dir(&workshop.directory).unwrap().count(), 1);
    let out = workshop.good("keygen module --print-seed --out app.seed");
    assert_eq!(out.lines().last(), Some(workshop.read("app.seed").trim()));
}

#[test]
fn a_signed_module_says_what_was_asked_for() {
    let workshop = Workshop::new();
    let account = workshop.key("account", "account");
    let module = workshop.key("module", "app");
    workshop.good(
        "sign app.wasm --account-key account.seed --module-key app.seed --cap wascc:keyvalue --cap wascc:logging \
         --name app --tag a --tag b --rev 7 --ver 1.2.3 --call-alias shop/app --expires-in 30d --not-before-in 1h \
         --section wasmcloud_jwt -o out.wasm",
    );
    assert!(String::from_utf8_lossy(&fs::read(workshop.path("out.wasm")).unwrap()).contains("wasmcloud_jwt"));
    let json: Value = serde_json::from_str(&workshop.good("inspect out.wasm --json")).unwrap();
    assert_eq!(json["kind"], "module");
    assert_eq!(json["validity"], "not-yet-valid");
    assert_eq!(json["hash_fits"], true);
    let claims = &json["claims"];
    assert_eq!((&claims["iss"], &claims["sub"]), (&account.into(), &module.into()));
    assert_eq!(claims["wascap_revision"], 3, "the published crate checks the hash from there on");
    let issued = claims["iat"].as_u64().unwrap();
    assert_eq!((&claims["nbf"], &claims["exp"]), (&(issued + 3600).into(), &(issued + 30 * 86_400).into()));
    let actor = &claims["wascap"];
    for (field, value) in [
        ("name", Value::from("app")),
        ("tags", vec!["a", "b"].into()),
        ("caps", vec!["wascc:keyvalue", "wascc:logging"].into()),
        ("rev", 7.into()),
        ("ver", "1.2.3".into()),
        ("call_alias", "shop/app".into()),
    ] {
        assert_eq!(actor[field], value, "{field}");
    }
    let text = workshop.good("inspect out.wasm");
    for word in ["wascc:keyvalue, wascc:logging", "shop/app", "1.2.3", "not-yet-valid", "that of the module"]
    {
        assert!(text.contains(word), "{text}");
    }
    // Others may read what is signed, as far as the umask lets them.
    assert_ne!(mode(workshop.path("out.wasm")) & 0o400, 0);
}

#[test]
fn keys_come_from_files_or_from_the_environment() {
    let workshop = Workshop::new();
    let account = workshop.key("account", "account");
    let module = workshop.key("module", "app");
    let seed = workshop.read("account.seed");

    let mut command = workshop.command(&format!("sign app.wasm --subject {module} -o out.wasm"));
    command.env("PILLION_ACCOUNT_SEED", &seed);
    Done::of(command).is(0, &[]);
    workshop.good(&format!("verify out.wasm --issuer {account}"));
    let mut command = workshop.command("sign app.wasm --account-key account.seed -o out.wasm");
    command.env("PILLION_MODULE_SEED", workshop.read("app.seed").trim());
    Done::of(command).is(0, &[]);

    workshop.run("sign app.wasm --subject X -o x").is(2, &["--subject"]);
    let none = workshop.run(&format!("sign app.wasm --subject {module} -o x"));
    none.is(2, &["--account-key", "PILLION_ACCOUNT_SEED"]);
    workshop
        .run("sign app.wasm --account-key account.seed -o x")
        .is(2, &["--module-key", "PILLION_MODULE_SEED"]);
    // A seed of another kind, and what is no seed: neither is repeated.
    for name in ["app.seed", "app.wasm", "missing"] {
        let done = workshop.run(&format!("sign app.wasm --account-key {name} --subject {module} -o x"));
        done.is(2, &[name]);
        assert!(!done.said.contains(workshop.read("app.seed").trim()));
    }
    let done = workshop.run(&format!("sign app.wasm --account-key {} --subject {module} -o x", seed.trim()));
    done.is(2, &["takes the file"]);
    assert!(!done.said.contains(seed.trim()), "a seed in a file's place is not repeated");
    let mut command = workshop.command(&format!("sign app.wasm --subject {module} -o x"));
    command.env("PILLION_ACCOUNT_SEED", "SAnonsense");
    let done = Done::of(command);
    done.is(2, &["PILLION_ACCOUNT_SEED"]);
    assert!(!done.said.contains("SAnonsense"), "{}", done.said);
    assert!(!workshop.path("x").exists(), "nothing was written");

    fs::set_permissions(workshop.path("account.seed"), Permissions::from_mode(0o644)).unwrap();
    let done =
        workshop.run(&format!("sign app.wasm --account-key account.seed --subject {module} -o out.wasm"));
    done.is(0, &["warning", "chmod 600 account.seed"]);
}

#[test]
fn verify_tells_whom_a_host_would_believe() {
    let workshop = Workshop::new();
    let (operator, account) = workshop.chain();
    let other = workshop.key("account", "other");
    let stranger = workshop.key("operator", "stranger");
    let out = workshop.good(&format!("verify app.signed.wasm --issuer {account}"));
    assert!(out.contains("believed") && out.contains("wascc:keyvalue"), "{out}");
    workshop.good(&format!(
        "verify app.signed.wasm --operator {operator} --token operator.jwt --token account.jwt"
    ));

    workshop.run("verify app.signed.wasm").is(2, &["--issuer"]);
    workshop.run("verify app.signed.wasm --issuer A").is(2, &["--issuer"]);
    workshop.run(&format!("verify app.signed.wasm --issuer {operator}")).is(2, &["operator, not account"]);
    workshop.run(&format!("verify missing.wasm --issuer {account}")).is(2, &["missing.wasm"]);
    workshop.run(&format!("verify app.wasm --issuer {account}")).is(7, &["app.wasm", "not signed"]);
    workshop.run(&format!("verify app.seed --issuer {account}")).is(7, &["not a WebAssembly module"]);
    let refused = workshop.run(&format!("verify app.signed.wasm --issuer {other}"));
    refused.is(7, &[&account, "not trusted", &format!("--issuer {account}")]);
    let refused = workshop.run(&format!("verify app.signed.wasm --operator {operator} --token operator.jwt"));
    refused.is(7, &[&format!("breaks at account {account}"), "--token"]);
    let refused = workshop.run(&format!("verify app.signed.wasm --operator {operator} --token account.jwt"));
    refused.is(7, &[&format!("breaks at operator {operator}"), "--token"]);
    let refused = workshop.run(&format!(
        "verify app.signed.wasm --operator {stranger} --token operator.jwt --token account.jwt"
    ));
    refused.is(7, &[&format!("breaks at operator {operator}"), &format!("--operator {operator}")]);

    let mut changed = fs::read(workshop.path("app.signed.wasm")).unwrap();
    changed.extend_from_slice(b"\0\x05\x04name");
    fs::write(workshop.path("changed.wasm"), &changed).unwrap();
    workshop.run(&format!("verify changed.wasm --issuer {account}")).is(7, &["it was changed"]);
    let json: Value = serde_json::from_str(&workshop.good("inspect changed.wasm --json")).unwrap();
    assert_eq!(json["hash_fits"], false);
    workshop.good(
        "sign app.wasm --account-key account.seed --module-key app.seed --not-before-in 1h -o later.wasm",
    );
    workshop.run(&format!("verify later.wasm --issuer {account}")).is(7, &["not valid before"]);
    // A chain of a signer that the account's token does not name.
    workshop.good("sign app.wasm --account-key other.seed --module-key app.seed -o other.wasm");
    let trust = format!("--operator {operator} --token operator.jwt --token account.jwt");
    workshop.run(&format!("verify other.wasm {trust}")).is(7, &[&format!("breaks at account {other}")]);
    workshop.good(&format!(
        "token account --operator-key operator.seed --subject {account} --signer {other} -o account.jwt"
    ));
    workshop.good(&format!("verify other.wasm {trust}"));
}

#[test]
fn a_chain_is_shown_with_a_verdict_on_each_link() {
    let workshop = Workshop::new();
    let (operator, account) = workshop.chain();
    let all = workshop.read("operator.jwt") + &workshop.read("account.jwt");
    fs::write(workshop.path("all.jwt"), all).unwrap();
    let out = workshop.good(&format!("chain app.signed.wasm --operator {operator} --token all.jwt"));
    let links: Vec<&str> = out.lines().filter(|line| line.starts_with("ok ")).collect();
    assert_eq!(links.len(), 3, "{out}");
    assert!(links[0].contains(&operator) && links[0].contains("acme"), "{out}");
    assert!(links[1].contains(&account) && links[1].contains("shop"), "{out}");
    workshop.good(&format!("chain account.jwt --operator {operator} --token operator.jwt"));
    workshop.good(&format!("chain operator.jwt --operator {operator}"));

    let broken = workshop.run(&format!("chain app.signed.wasm --operator {operator} --token account.jwt"));
    broken.is(7, &["breaks at operator"]);
    assert_eq!(broken.out.lines().filter(|line| line.starts_with("BROKEN ")).count(), 1, "{}", broken.out);
    assert_eq!(broken.out.lines().filter(|line| line.starts_with("ok ")).count(), 2, "{}", broken.out);
    workshop.run("chain app.signed.wasm").is(7, &["not trusted", "--issuer"]);
    workshop.run("chain app.wasm").is(7, &["not signed"]);

    // A forged token is told by its file and its subject.
    let token = workshop.read("account.jwt");
    let (signed, signature) = token.trim().rsplit_once('.').unwrap();
    let last = if signature.starts_with('A') { "B" } else { "A" };
    fs::write(workshop.path("forged.jwt"), format!("{signed}.{last}{}", &signature[1..])).unwrap();
    let forged = format!("--operator {operator} --token operator.jwt --token forged.jwt");
    for verb in ["verify", "chain"] {
        workshop.run(&format!("{verb} app.signed.wasm {forged}")).is(7, &["forged.jwt", &account, "forged"]);
    }
    fs::write(workshop.path("empty.jwt"), "\n").unwrap();
    workshop.run("chain app.signed.wasm --token empty.jwt").is(2, &["no token"]);
    workshop.run("chain app.signed.wasm --token missing.jwt").is(2, &["missing.jwt"]);
    workshop.run("chain app.signed.wasm --token app.seed").is(7, &["app.seed", "malformed"]);
}

#[test]
fn tokens_are_signed_for_those_who_may_have_them() {
    let workshop = Workshop::new();
    let operator = workshop.key("operator", "operator");
    let deputy = workshop.key("operator", "deputy");
    let account = workshop.key("account", "account");
    let cluster = workshop.key("cluster", "cluster");
    let printed = workshop.good(&format!("token cluster --operator-key operator.seed --subject {cluster}"));
    fs::write(workshop.path("cluster.jwt"), printed).unwrap();
    workshop.good(&format!("token operator --operator-key operator.seed --signer {deputy} -o operator.jwt"));
    workshop.good(&format!("chain cluster.jwt --operator {operator} --token operator.jwt"));
    let text = workshop.good("inspect operator.jwt");
    assert!(text.contains(&deputy) && text.contains("for ever"), "{text}");

    let token = "token account --operator-key operator.seed";
    workshop.run(token).is(2, &["--subject"]);
    workshop.run(&format!("{token} --subject {cluster}")).is(2, &["kind account"]);
    workshop.run(&format!("{token} --subject {account} --signer {deputy}")).is(2, &["valid signer"]);
    workshop
        .run(&format!("token operator --operator-key operator.seed --subject {deputy}"))
        .is(2, &["for itself"]);
    workshop
        .run(&format!("token account --operator-key account.seed --subject {account}"))
        .is(2, &["account.seed"]);
    workshop.run(&format!("token account --subject {account}")).is(2, &["PILLION_OPERATOR_SEED"]);
    for period in ["--expires-in 0s", "--expires-in 1h --not-before-in 1h", "--expires-in soon"] {
        workshop.run(&format!("{token} --subject {account} {period}")).is(2, &["--expires-in"]);
    }
}

#[test]
fn names_cannot_steer_the_terminal() {
    let workshop = Workshop::new();
    workshop.key("operator", "operator");
    let mut command = workshop.command("token operator --operator-key operator.seed -o operator.jwt --name");
    command.arg("a\u{1b}[2Jb\u{202e}c\nmodule M");
    Done::of(command).is(0, &[]);
    for verb in ["inspect", "chain"] {
        let done = workshop.run(&format!("{verb} operator.jwt"));
        assert!(
            !done.out.contains(['\u{1b}', '\u{202e}']) && !done.out.contains("\nmodule M"),
            "{}",
            done.out
        );
        assert!(done.out.contains("\\u{1b}[2Jb\\u{202e}c\\u{a}module M"), "{}", done.out);
    }
}

/// What an operator's token with the latest end that there is says in dates.
#[test]
fn far_dates_are_shown() {
    let workshop = Workshop::new();
    workshop.key("operator", "operator");
    workshop.good("token operator --operator-key operator.seed --expires-in 500000000000y -o operator.jwt");
    let text = workshop.good("inspect operator.jwt");
    assert!(text.contains("s after 1970"), "{text}");
}
